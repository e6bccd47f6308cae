"""What the pages read of `webhooks`' tables: dj-stripe's users have none of it.

No page counts a table that grows. A filter that no index answers looks through so many events, and says how far.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, F, Min, Q, QuerySet

from alerts_runtime.redaction.values import redact_value
from alerts_runtime.wakeups.wake import wake
from notifier.models import Alert, Occurrence
from webhooks.handlers import matching
from webhooks.models import Failure, WebhookEvent
from webhooks.process import arm
from webhooks.process.ran import Came

State = WebhookEvent.State
WAITS = (State.PENDING, State.DEAD, State.INCOMPLETE)  # what somebody may decide never to run again
STATES = [(state.value, state.label) for state in State]
SIZE = 25
LOOKED_THROUGH = 20_000  # events, for a filter without an index
FAILURES = 50
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Backlog:
    due: int  # events that should be worked on by now
    oldest: datetime | None
    later: int  # to be tried again


@dataclass(frozen=True, slots=True)
class Ran:
    """A handler in one attempt."""

    name: str
    came: Came
    took: int  # milliseconds


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt at an event; without a failure it went well. No handlers: there were none, or nobody knows."""

    at: datetime
    number: int
    handlers: list[Ran]
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Found:
    events: list[WebhookEvent]
    more: str  # what the next page's address says after `before`; "": there are no more
    looked_until: datetime | None  # further back nobody has looked; None: all were looked at


def backlog(now: datetime) -> Backlog:
    """By the index on what is due: what is done costs nothing."""
    waiting = WebhookEvent.objects.filter(state=State.PENDING, due_at__isnull=False)
    row = waiting.aggregate(
        due=Count("pk", filter=Q(due_at__lte=now)),
        oldest=Min("due_at", filter=Q(due_at__lte=now)),
        later=Count("pk", filter=Q(due_at__gt=now)),
    )
    return Backlog(**row)


def search(asked: Mapping[str, str], since: datetime | None, until: datetime | None, before: datetime | None) -> Found:
    """The events that were asked for, the newest first. `asked` may name q, type, state, account and mode."""
    rows = WebhookEvent.objects.defer("body")
    if since:
        rows = rows.filter(received_at__gte=since)
    if limit := min(filter(None, (until, before)), default=None):
        rows = rows.filter(received_at__lt=limit)
    if word := asked.get("q", ""):
        return _page(_named(rows, word), None)
    kind = asked.get("type", "")
    if kind and not kind.endswith("*"):
        rows = rows.filter(type=kind)
    rest = _rest(asked)
    floor = _floor(rows) if rest else None
    rows = rows.filter(rest, received_at__gte=floor) if floor else rows.filter(rest)
    return _page(_newest(rows), floor)


def _page(found: list[WebhookEvent], floor: datetime | None) -> Found:
    if len(found) > SIZE:
        return Found(found[:SIZE], found[SIZE - 1].received_at.isoformat(), None)
    return Found(found, floor.isoformat() if floor else "", floor)


def _newest(rows: QuerySet[WebhookEvent]) -> list[WebhookEvent]:
    return list(rows.order_by("-received_at")[: SIZE + 1])


def _named(rows: QuerySet[WebhookEvent], word: str) -> list[WebhookEvent]:
    """Those of this id, or about the customer or the object of it. Each is one look into an index of its own."""
    if word.startswith("evt_"):
        return _newest(rows.filter(event_id=word))
    # `exclude` is the index's own condition, without which SQLite does not use it.
    about = {one.pk: one for one in _newest(rows.filter(customer=word).exclude(customer=""))}
    about |= {one.pk: one for one in _newest(rows.filter(object_id=word).exclude(object_id=""))}
    return sorted(about.values(), key=lambda one: one.received_at, reverse=True)[: SIZE + 1]


def _rest(asked: Mapping[str, str]) -> Q:
    """What no index answers."""
    rest = Q()
    if asked.get("type", "").endswith("*"):
        rest &= Q(type__startswith=asked["type"].rstrip("*"))
    if state := asked.get("state"):
        rest &= Q(state=state)
    if account := asked.get("account"):
        rest &= Q(account=account)
    if mode := asked.get("mode"):
        rest &= Q(livemode=mode == "live")
    return rest


def _floor(rows: QuerySet[WebhookEvent]) -> datetime | None:
    """When the last of so many was received; None: there are fewer."""
    times = rows.order_by("-received_at").values_list("received_at", flat=True)
    return next(iter(times[LOOKED_THROUGH : LOOKED_THROUGH + 1]), None)


def by_type(now: datetime) -> list[dict[str, Any]]:
    """How many events of each type came in the last hour and day, and how many of them failed; most first."""
    failed = Q(attempts__gt=1) | Q(state=State.DEAD) | Q(last_error__gt="")
    last_hour = Q(received_at__gte=now - HOUR)
    rows = (
        WebhookEvent.objects.filter(received_at__gte=now - DAY, received_at__lte=now)
        .values("type")
        .annotate(
            day=Count("pk"),
            hour=Count("pk", filter=last_hour),
            day_failed=Count("pk", filter=failed),
            hour_failed=Count("pk", filter=failed & last_hour),
        )
        .order_by("-day_failed", "-day", "type")
    )
    return [dict(row) for row in rows]


def event(event_id: str) -> WebhookEvent | None:
    return WebhookEvent.objects.filter(event_id=event_id).first()


def failures(row: WebhookEvent) -> list[Failure]:
    """Its newest failures, the newest first."""
    return list(Failure.objects.filter(event=row).select_related("traceback").order_by("-pk")[:FAILURES])


def attempts(row: WebhookEvent, failed: list[Failure]) -> list[Attempt]:
    """What became of its newest attempts, the newest first. Of one that went well only the last is known."""
    found = [Attempt(one.occurred_at, one.attempt, _ran(one.handlers), one) for one in failed]
    if row.processed_at and row.state in (State.PROCESSED, State.INCOMPLETE):
        found.append(Attempt(row.processed_at, row.attempt, _ran(row.handlers)))
    return sorted(found, key=lambda one: one.at, reverse=True)


def _ran(lines: list[tuple[str, str, int]]) -> list[Ran]:
    return [Ran(name, Came(came), took) for name, came, took in lines]


def alerts_of(found: list[Failure]) -> list[Alert]:
    """The alerts on which these failures were counted, open ones first; by the key that the intake gives each."""
    keys = [f"webhooks.failure:{failure.pk}" for failure in found]
    ids = Occurrence.objects.filter(key__in=keys).values_list("alert_id", flat=True)
    rows = Alert.objects.filter(pk__in=set(ids)).defer("traceback", "context")
    return list(rows.order_by(F("resolved_at").desc(nulls_first=True), "-pk"))


def handlers(kind: str) -> list[tuple[str, bool]]:
    """The names of today's handlers for a type, and whether each runs inside the transaction."""
    return [(handler.name, handler.atomic) for handler in matching(kind)]


def payload(row: WebhookEvent, *, whole: bool) -> str:
    """The body, laid out; redacted unless it may be read whole."""
    try:
        found = json.loads(row.body)
    except (ValueError, RecursionError):
        return row.body[:2000] if whole else ""
    return json.dumps(found if whole else _hidden(redact_value(found)), indent=2, ensure_ascii=False)


# Texts of Stripe's own making. Names, addresses and descriptions are the customers'.
_SHOWN = frozenset(
    {"api_version", "billing_reason", "collection_method", "currency", "failure_code", "interval", "mode", "object"}
    | {"payment_status", "reason", "status", "type", "url"}
)


def _hidden(value: Any, name: str = "") -> Any:
    """The same shape; of the texts only ids, and what Stripe itself words."""
    if isinstance(value, dict):
        return {key: _hidden(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [_hidden(item, name) for item in value]
    if not isinstance(value, str) or not value or name in _SHOWN:
        return value
    kind, mark, rest = value.partition("_")
    is_id = bool(mark) and kind.isalpha() and kind.islower() and len(rest) >= 8 and rest.replace("_", "").isalnum()
    return value if is_id else "[hidden]"


def process_again(row: WebhookEvent, now: datetime, *, processed_too: bool) -> bool:
    """Now what waits for its next attempt; anew what was given up, and what is processed when that is wanted."""
    done = arm.rearm(row, now, include_processed=processed_too) or arm.hurry(row, now)
    if done:
        wake("events")
    return done
