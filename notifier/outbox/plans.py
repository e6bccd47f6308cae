"""What each target is to hear of an alert next: the planning part of the only writer of Notification.

`due_at` alone decides when a notification is looked at. Everything that changes what a target should hear next has to
set it; there is no other queue.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import cache

from django.db import connection

from alerts_runtime.database.fast_sql import columns, create, for_each, select
from notifier.facts import AlertState, Due, Reason, Severity
from notifier.judge import timing
from notifier.judge.policy import Policy
from notifier.judge.route import Routed, Routing
from notifier.models import Alert, Notification
from notifier.outbox import targets

# Reasons that go first when not everything may go at once.
_URGENT = {Reason.RAISED, Reason.FIRST, Reason.REOPENED, Reason.ESCALATED}


def plan(
    alert: Alert, routing: Routing, policy: Policy, now: datetime, *, new: bool = False, reopened: bool = False
) -> bool:
    """Set when each target hears of an alert next; True when something is due now. The caller holds the alert's lock.

    A notification that is being sent, retried or held keeps its plan, and is judged again when that ends; only news
    that is worse changes it at once. When every notification is planned for the next failure, `Alert.planned_for`
    says so, and further failures of a storm skip this function. Whatever leaves a notification without a plan has to
    clear that again (`unplanned`).
    """
    state = alert.state
    known = [] if new else Notification.objects.filter(alert=alert).select_related("target")
    rows = {row.target.key: row for row in known}
    chosen = {one.target.key: one for one in routing.targets}
    for key, row in rows.items():
        _follow_route(row, chosen.get(key), alert, reopened=reopened)
    due = [replan(row, state, policy, now) for row in rows.values()]
    due.append(_begin([one for key, one in chosen.items() if key not in rows], alert, state, policy, now))
    planned_for = routing.key if all(map(has_plan_for_news, rows.values())) else ""
    if not new or alert.planned_for != planned_for:  # a new alert was stored with it
        alert.planned_for = planned_for
        Alert.objects.filter(pk=alert.pk).update(planned_for=planned_for)
    return any(due)


def _begin(routed: Iterable[Routed], alert: Alert, state: AlertState, policy: Policy, now: datetime) -> bool:
    """Make the first notification of each of these targets; True when one is due now."""
    found = []
    for one in routed:
        row = Notification(alert=alert, route=one.route.name, reason=Reason.FIRST)
        if due := next_for(row, state, policy, now):
            set_due(row, due, state.subject.severity)
            found.append((row, one.target))
    rows = targets.rows_of([target for _, target in found])
    for row, target in found:
        row.target = rows[target.key]
    create(*(row for row, _ in found))
    return any(row.due_at is not None and row.due_at <= now for row, _ in found)


def _follow_route(row: Notification, one: Routed | None, alert: Alert, *, reopened: bool) -> None:
    """Put a notification on the route that now takes the alert to its target."""
    if reopened:
        change(row, level=0, told_level=0)  # its escalation restarts
    if one is not None:
        if row.route != one.route.name and (not row.route or (row.told_severity or 0) < alert.severity):
            change(row, route=one.route.name)  # worse than what was told: the new route tells of it, and of its end
    elif reopened and row.sending_id is None and (row.told_resolved or (row.told_seq == 0 and row.tries == 0)):
        # No route takes it to this target any more. One that was told of the end, or of nothing, is told nothing more
        # until a route does so again.
        change(row, route="", due_at=None)


def has_plan_for_news(row: Notification) -> bool:
    """Whether the next failure changes nothing here. A planned reminder is not enough: news goes earlier than that."""
    if row.sending_id is not None or not row.route:
        return True  # it is judged again after sending, or when a route takes it
    return row.due_at is not None and row.reason != Reason.REPEAT


def replan(row: Notification, alert: AlertState, policy: Policy, now: datetime) -> bool:
    """Plan one notification again after a change; True when it is due now. The caller holds the alert's lock."""
    if row.sending_id is not None:
        return False
    due = next_for(row, alert, policy, now)
    waits = bool(row.held_by) or row.tries > 0
    if due is None:
        if row.due_at is not None and not waits:
            change(row, due_at=None)
        return False
    # A first message that is held counts as news too when its alert got worse: the guard may let it through then.
    news = due.reason != row.reason or urgency(due.reason, alert.subject.severity, row.sent) < row.urgency
    if row.due_at is not None and not (news or (due.at < row.due_at and not waits)):
        return False
    set_due(row, due, alert.subject.severity)
    change(row, due_at=row.due_at, reason=row.reason, urgency=row.urgency)
    return due.at <= now


def replan_all(alert: Alert, policy: Policy, now: datetime) -> bool:
    """Plan all notifications of an alert again: it was resolved, acknowledged or is no longer inhibited."""
    state = alert.state
    due = [replan(row, state, policy, now) for row in Notification.objects.filter(alert=alert)]
    return any(due)


def next_for(row: Notification, alert: AlertState, policy: Policy, now: datetime) -> Due | None:
    """What the target is to hear next, and when; None for nothing, or when no route takes the alert there any more."""
    return timing.next_due(row.told, alert, policy.timing(row.route), now) if row.route else None


def locked(pk: int) -> Notification | None:
    """A notification that is not being sent and its alert, read again and locked until the transaction ends.

    The alert is locked first, as everywhere (to count a failure too), so that there is no deadlock.
    """
    rows = select([Notification, Alert], _locked(connection.vendor), {"id": pk})
    for row, alert in rows:
        row.alert = alert
        return row  # type: ignore[no-any-return]  # an instance of the first model
    return None


@cache
def _locked(vendor: str) -> str:
    lock = "FOR UPDATE OF swa_notifier_alert, swa_notifier_notification" if vendor == "postgresql" else ""
    return f"""
        SELECT {columns(Notification)}, {columns(Alert)}
        FROM swa_notifier_notification JOIN swa_notifier_alert ON swa_notifier_alert.id = alert_id
        WHERE swa_notifier_notification.id = %(id)s AND sending_id IS NULL {lock}
    """  # noqa: S608 - the models' own names


def unplanned(alert_ids: Iterable[int]) -> None:
    """Clear `planned_for` of these alerts: a notification has no plan any more, so their next failures have to plan."""
    if ids := sorted(set(alert_ids)):
        with connection.cursor() as cursor:
            for_each(cursor, _UNPLANNED, [[one] for one in ids])


_UNPLANNED = "UPDATE swa_notifier_alert SET planned_for = '' WHERE id = %s AND planned_for <> ''"


def urgency(reason: Reason, severity: Severity, sent: int) -> int:
    """The order of sending, lowest first: new or worse alerts by severity, then what is resolved, then updates."""
    if reason in _URGENT:
        return int(Severity.CRITICAL) - severity
    if reason in (Reason.RESOLVED, Reason.ANSWERED):
        return 50
    return 100 + min(sent, 100)


def set_due(row: Notification, due: Due, severity: Severity) -> None:
    row.due_at, row.reason = due.at, due.reason.value
    row.urgency = urgency(due.reason, severity, row.sent)


def change(row: Notification, **changes: object) -> None:
    """Change a notification unless it is being sent: then whoever sends it decides what comes next."""
    Notification.objects.filter(pk=row.pk, sending__isnull=True).update(**changes)
    for name, value in changes.items():
        setattr(row, name, value)
    if not has_plan_for_news(row):
        unplanned([row.alert_id])
