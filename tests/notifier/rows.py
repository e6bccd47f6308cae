"""Rows of the notifier's tables, with what a test leaves out filled in."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from django.db import connection

from notifier.facts import Category, Reason, Severity
from notifier.models import Alert, Notification, Occurrence, Target

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
_numbers = count(1)


def an_alert(**values: Any) -> Alert:
    opened = values.pop("opened_at", NOON)
    known = {
        "fingerprint": f"fingerprint {next(_numbers)}",
        "severity": Severity.CRITICAL,
        "category": Category.DATABASE,
        "title": "database unavailable",
        "hint": "Check the database first.",
        "event_type": "invoice.paid",
        "livemode": True,
        "exceptions": ["django.db.utils.OperationalError", "django.db.utils.Error"],
        "message": "server closed the connection unexpectedly",
        "frame": {"file": "billing/handlers.py", "line": 84, "module": "billing.handlers", "function": "record"},
        "opened_at": opened,
        "last_at": opened,
        "storm_since": opened,
    }
    return Alert.objects.create(**known | values)


def failures(alert: Alert, *rows: dict[str, Any]) -> list[Occurrence]:
    """Failures of the alert, a minute apart unless they say when, counted as alerts.py counts them."""
    return failures_in_bulk(alert, rows)


def failures_in_bulk(alert: Alert, rows: Iterable[dict[str, Any]]) -> list[Occurrence]:
    made = []
    for row in rows:
        alert.count += 1
        known = {
            "alert": alert,
            "seq": alert.count,
            "key": f"failure {next(_numbers)}",
            "event_type": alert.event_type,
            "occurred_at": alert.opened_at + (alert.count - 1) * MINUTE,
        }
        made.append(Occurrence(**known | row))
    alert.last_at = max((one.occurred_at for one in made), default=alert.last_at)
    alert.save(update_fields=["count", "last_at"])
    return Occurrence.objects.bulk_create(made, batch_size=1000)


def a_target(key: str = "slack:#payments") -> Target:
    channel, _, address = key.partition(":")
    target, _ = Target.objects.get_or_create(key=key, defaults={"channel": channel, "address": address})
    return target


def a_notification(alert: Alert, key: str = "slack:#payments", **values: Any) -> Notification:
    known = {"alert": alert, "target": a_target(key), "route": "page", "reason": Reason.FIRST}
    return Notification.objects.create(**known | values)


def scanned(sql: str) -> list[str]:
    """The tables that grow and that the database would read from end to end."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
            plan = "\n".join(row[3] for row in cursor.fetchall())
            tables = r"(?:notifier_(?:occurrence|alert|attempt)|[UV]\d+)\b"
            return re.findall(rf"SCAN {tables}(?! USING (?:COVERING )?INDEX)", plan)
        cursor.execute("SET LOCAL enable_seqscan = off")  # these tables are too small for an index to pay
        cursor.execute(f"EXPLAIN {sql}")
        plan = "\n".join(row[0] for row in cursor.fetchall())
        return re.findall(r"Seq Scan on notifier_(?:occurrence|alert|attempt)\b", plan)
