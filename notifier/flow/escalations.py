"""When the next step of an alert's escalation is due: the planning half of the only writer of Escalation.

What changes that (a failure, an acknowledgement, an end) sets `due_at` in its own transaction. The steps that are due
are taken by `tick`, in stepping.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from django.db.models import F

from alerts_runtime.leasing.clock import brought_forward
from notifier.flow import steps, steps_log
from notifier.judge import escalation
from notifier.judge.escalation import Next, Reached, Taken, Why
from notifier.judge.policy import Policy, Route
from notifier.models import Alert, Escalation
from notifier.outbox import reachable

ANOTHER_ROUTE, NO_ROUTE = "another route escalates it", "no route with steps takes it any more"


def begin(alert: Alert, routes: Iterable[Route], now: datetime, *, anew: bool = False) -> None:
    """Start the escalation of the routes that take an alert, unless it has started; `anew`: the alert was reopened.

    What is due now is judged by tick within a second. The caller holds the alert's lock.
    """
    if anew:
        Escalation.objects.filter(alert=alert).delete()
    names = {route.name for route in routes if route.escalate}
    if not names:
        return
    known = {row.route: row for row in Escalation.objects.filter(alert=alert)}
    new = [Escalation(alert=alert, route=name, reached_at=now, due_at=now) for name in sorted(names - known.keys())]
    Escalation.objects.bulk_create(new)
    for row in known.values():
        if row.route not in names and new and row.due_at is not None:
            row.why = ANOTHER_ROUTE  # it got worse and has another route: only the new one escalates it
        elif row.route in names and row.why in (ANOTHER_ROUTE, NO_ROUTE):
            row.why = Why.UNANSWERED
        elif row.route not in names or row.why != Why.ACKNOWLEDGED:
            continue
        row.due_at = now
        row.save(update_fields=["why", "due_at"])


def changed(alert: Alert, policy: Policy, now: datetime) -> None:
    """Plan an alert's steps again: it was acknowledged, the acknowledgement was taken back, or it is over.

    The caller holds the alert's lock.
    """
    for row in Escalation.objects.filter(alert=alert):
        route = policy.route(row.route)
        if route is not None and route.escalate:
            judge(row, alert, route, policy, now)


def is_to_be_judged(row: Escalation, alert: Alert) -> bool:
    """Whether it is due because of a failure, and its next step has still to be planned."""
    return row.why in ("", ANOTHER_ROUTE) or (row.why == Why.ACKNOWLEDGED and steps.is_worse(alert))


def judge(row: Escalation, alert: Alert, route: Route, policy: Policy, now: datetime) -> None:
    """Write when the next step is due, or that none is."""
    if row.why == ANOTHER_ROUTE:
        if row.due_at is not None:
            steps_log.left_out(alert, steps.left_of_round(row, route), "another route escalates it now", route, now)
            row.due_at = None
            row.save()
        return
    if not row.why:
        first, second = route.levels[:2]
        if nobody := reachable.nobody(first, policy):
            row.reached_at -= second.at - first.at  # the first page reaches nobody, so the second step need not wait
            steps_log.taken(alert, Taken(first, nobody), route, now)
    following = what_follows(row, alert, route, policy, now)
    if row.why == Why.ACKNOWLEDGED and steps.is_worse(alert) and following.at is not None and following.at <= now:
        # It is worse than when it was acknowledged: whoever is told of that gets the full time of this step to answer.
        row.reached_at = now
        following = what_follows(row, alert, route, policy, now)
    write_next(row, alert, route, following, now)


def pause_ends(alert: Alert, policy: Policy, now: datetime) -> None:
    """Put the next steps off by the time during which the alert was acknowledged.

    To be called before the acknowledgement is replaced or taken back. The caller holds the alert's lock.
    """
    for row in Escalation.objects.filter(alert=alert, due_at__isnull=False):
        route = policy.route(row.route)
        known = steps.answered(row, alert, route, policy, now).by if route else None
        if known is None or route is None or row.level + 1 >= len(route.levels):
            continue
        ended = replace(known, until=min(known.until, now))
        following = escalation.next_level(route.levels, Reached(row.level, row.reached_at), now, acknowledged=ended)
        if following.at is not None:
            row.reached_at = following.at - (route.levels[row.level + 1].at - route.levels[row.level].at)
            row.save(update_fields=["reached_at"])


def bring_forward(by: timedelta, now: datetime) -> None:
    """Bring the planned steps forward after the clock was set back by `by`."""
    planned = Escalation.objects.filter(due_at__gt=now)
    planned.update(due_at=brought_forward("due_at", by, now), reached_at=F("reached_at") - by)


def what_follows(row: Escalation, alert: Alert, route: Route, policy: Policy, now: datetime) -> Next:
    answered = steps.answered(row, alert, route, policy, now)
    row.asks_each = answered.asks_each
    return escalation.next_level(
        route.levels,
        Reached(row.level, row.reached_at),
        now,
        acknowledged=answered.by,
        resolved=alert.resolved_at is not None,
    )


def write_next(row: Escalation, alert: Alert, route: Route, following: Next, now: datetime, *, held: str = "") -> None:
    """Store when the next step is due. If the reason has changed, the alert's log says so."""
    why = (held or following.why)[:100]
    if why != row.why:
        if held:
            steps_log.waits(alert, following.level, held, route, now)
        elif following.why is Why.ACKNOWLEDGED:
            by = f" by {alert.acknowledged_by}" if alert.acknowledged_by else ""
            steps_log.waits(alert, following.level, f"acknowledged{by}", route, now)
        elif following.why is Why.OVER and row.due_at is not None:
            steps_log.left_out(alert, steps.left_of_round(row, route), "it is over", route, now)
    row.due_at, row.why = following.at, why
    row.save()
