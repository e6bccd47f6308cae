"""What is due for a target, and in which order it goes."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache

from django.db.models import Min

from alerts_runtime.database.fast_sql import columns, moment, select
from notifier.facts import Reason, Severity
from notifier.judge.throttle import Pending, fair_order
from notifier.models import Alert, AttemptPart, Notification, Target
from notifier.outbox import leases


def due_rows(target: Target, now: datetime, limit: int, *, in_turn: bool) -> list[Notification]:
    """What is due for a target, the most urgent first; a few more if they are to take turns."""
    rows: list[Notification] = []
    asked = {"target": target.pk, "now": moment(now), "limit": limit}
    for row, row.alert in select([Notification, Alert], _due(), asked):
        rows.append(row)
    if in_turn and len(rows) == limit:
        due = Notification.objects.filter(target=target, due_at__lte=now, sending__isnull=True)
        # More wait than were read, and those may all be of one kind. The oldest of each other kind is added, so that
        # kinds can take turns.
        kinds = due.exclude(pk__in=[row.pk for row in rows]).values(
            "alert__category", "alert__event_type", "alert__source"
        )
        firsts = [kind["first"] for kind in kinds.annotate(first=Min("pk")).order_by("first")[:limit]]
        rows += due.filter(pk__in=firsts).select_related("alert")
    for row in rows:
        row.target = target
    return rows


# Written as SQL: the ORM takes longer to build this than the whole rest of a message takes.
@cache
def _due() -> str:
    return f"""
        SELECT {columns(Notification)}, {columns(Alert)}
        FROM swa_notifier_notification JOIN swa_notifier_alert ON swa_notifier_alert.id = alert_id
        WHERE target_id = %(target)s AND due_at <= %(now)s AND sending_id IS NULL
        ORDER BY urgency, due_at LIMIT %(limit)s
    """  # noqa: S608 - the models' own names


def overdue_rows(target: Target, now: datetime, failover_after: timedelta, limit: int) -> list[Notification]:
    """The notifications to divert by now, although nothing may be sent to their target itself."""
    asked = {"target": target.pk, "now": moment(now), "limit": limit}
    rows = select([Notification, Alert], _overdue(), asked | {"overdue": moment(leases.before(now, failover_after))})
    for row, row.alert in rows:
        row.target = target
    return [row for row, _ in rows]


@cache
def _overdue() -> str:
    return f"""
        SELECT {columns(Notification, "n")}, {columns(Alert)}
        FROM swa_notifier_notification n JOIN swa_notifier_alert ON swa_notifier_alert.id = n.alert_id
        JOIN swa_notifier_target ON swa_notifier_target.id = n.target_id
        WHERE n.target_id = %(target)s AND {leases.OVERDUE} ORDER BY n.urgency, n.due_at LIMIT %(limit)s
    """  # noqa: S608 - the models' own names


def in_turn(
    target_id: int, cleared: list[tuple[Notification, Reason]], since: datetime
) -> list[tuple[Notification, Reason]]:
    """Sort what may go to a recipient: new problems first, and kinds of alert in turn (see throttle.fair_order)."""
    if len(cleared) < 2:
        return cleared
    rows = {str(row.pk): (row, reason) for row, reason in cleared}
    served = AttemptPart.objects.filter(attempt__target=target_id, attempt__started_at__gte=since)
    order = fair_order(
        (
            Pending(key, group_of(row.alert), reason, Severity(row.alert.severity), row.due_at or since, row.sent)
            for key, (row, reason) in rows.items()
        ),
        [group_of(part.notification.alert) for part in served.select_related("notification__alert").order_by("pk")],
    )
    return [rows[pending.key] for pending in order]


def group_of(alert: Alert) -> str:
    """The kind of an alert, for taking turns: many alerts of one kind must not keep another kind waiting."""
    return f"{alert.category} {alert.event_type or alert.source}"
