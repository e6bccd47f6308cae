"""The only writer of Escalation: how far a route's steps have come for an alert, and when the next one is due.

Whatever changes that (a failure, an acknowledgement, an end) sets `due_at` in its own transaction; tick takes what is
due. A step that is taken, the pages that it plans and the next step's time are one commit: nothing ends a series.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from django.db import transaction
from django.db.models import F

from alerts_runtime.isolation.parts import on_its_own
from alerts_runtime.leasing.clock import brought_forward
from alerts_runtime.wakeups.wake import wake
from notifier.flow import each, silences, steps, steps_log
from notifier.judge import escalation, guards
from notifier.judge.escalation import Level, Next, Reached, Taken, Why
from notifier.judge.policy import Policy, Route
from notifier.models import Alert, Escalation, Notification
from notifier.outbox import last_resort, plans, reachable

AT_ONCE = 200
LOOK_AGAIN = timedelta(minutes=1)  # while something holds the alert
LONG_AGO = timedelta(days=1000)  # any step is due by then


def begin(alert: Alert, routes: Iterable[Route], policy: Policy, now: datetime, *, anew: bool = False) -> None:
    """Let the steps of the routes that take an alert begin, each once; `anew` when it had been over.

    The caller holds the alert's lock.
    """
    if anew:
        Escalation.objects.filter(alert=alert).delete()
    with_steps = [route for route in routes if route.escalate]
    if not with_steps:
        return
    known = {row.route: row for row in Escalation.objects.filter(alert=alert)}
    begun = {route.name for route in with_steps}
    for other in known.values() if begun - known.keys() else ():
        if other.route not in begun and other.due_at is not None:
            _end(other, alert, policy, now)
    for route in with_steps:
        if row := known.get(route.name):
            _judge(row, alert, route, policy, now)
            continue
        row = Escalation(alert=alert, route=route.name, reached_at=now)
        first, second = route.levels[:2]
        if why := reachable.nobody(first, policy):
            row.reached_at = now - (second.at - first.at)  # nobody is told, so nobody is waited for
            steps_log.taken(alert, Taken(first, why), route, now)
        _judge(row, alert, route, policy, now)


def _end(row: Escalation, alert: Alert, policy: Policy, now: datetime) -> None:
    """It got worse, and another route has begun to escalate it: nobody is to hear of both."""
    if route := policy.route(row.route):
        steps_log.left_out(alert, steps.left_of_round(row, route), "another route escalates it now", route, now)
    row.due_at, row.why = None, "another route escalates it"
    row.save()


def changed(alert: Alert, policy: Policy, now: datetime) -> None:
    """Judge an alert's steps again: it was acknowledged, that was taken back, or it is over.

    The caller holds the alert's lock.
    """
    for row in Escalation.objects.filter(alert=alert):
        route = policy.route(row.route)
        if route is not None and route.escalate:
            _judge(row, alert, route, policy, now)


def pause_ends(alert: Alert, policy: Policy, now: datetime) -> None:
    """The time under the acknowledgement that there was counts for no step, before another one is written or it is
    taken back.

    The caller holds the alert's lock, and the alert says who had it since when.
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


def take_due(policy: Policy, now: datetime) -> int:
    """Take the steps whose time has come; of how many alerts. Any number of workers may."""
    due = Escalation.objects.filter(due_at__lte=now).order_by("due_at").values_list("pk", flat=True)
    return sum(bool(on_its_own("escalate", partial(_take_due, pk, policy, now), key=pk)) for pk in due[:AT_ONCE])


def take_next(alert: Alert, policy: Policy, now: datetime) -> Level | None:
    """Take the next step of an alert now, because somebody asks for it; None when none is left.

    Nobody has the alert: an acknowledgement would hold the page. The caller holds the alert's lock.
    """
    for row in Escalation.objects.filter(alert=alert, due_at__isnull=False).order_by("due_at"):
        route = steps.route_of(row, alert, policy)
        if route is None:
            continue
        taken = _take(row, alert, route, policy, now, asked=True)
        if taken:
            return taken[-1].level
    return None


def pass_on(row: Notification, policy: Policy, now: datetime) -> None:
    """Whoever was to be paged is not on call any more: who is now is paged in their place.

    They go on to hear of the alert if they have heard of it before. The caller holds the alert's lock.
    """
    channel = policy.channels[row.target.channel]
    for target in channel.targets:
        plans.page(row.alert, target, row.route, row.level, policy, now)
    plans.needs_no_page(row, policy, now)
    transaction.on_commit(partial(wake, f"deliver-{channel.alias}"))


def bring_forward(by: timedelta, now: datetime) -> None:
    """The clock was stepped back by so much: what is planned is judged as much earlier."""
    planned = Escalation.objects.filter(due_at__gt=now)
    planned.update(due_at=brought_forward("due_at", by, now), reached_at=F("reached_at") - by)


def _take_due(pk: int, policy: Policy, now: datetime) -> bool:
    with transaction.atomic():
        # Locked before the alert is, as by whoever judges a message.
        in_force = silences.in_force(now, lock=True)
        found = _locked(pk)
        if found is None:
            return False
        row, alert = found
        if row.due_at is None or row.due_at > now:
            return False  # another worker, or an acknowledgement
        route = steps.route_of(row, alert, policy)
        if route is None:
            row.due_at, row.why = None, "no route with steps takes it any more"
            row.save()
        elif held := steps.held(alert, in_force, now):
            _wait(row, alert, held, route, now)
        else:
            return bool(_take(row, alert, route, policy, now))
    return False


def _locked(pk: int) -> tuple[Escalation, Alert] | None:
    """The alert is locked first, as by whoever counts a failure on it."""
    row = Escalation.objects.filter(pk=pk).first()
    alert = Alert.objects.select_for_update(of=("self",)).filter(pk=row.alert_id).first() if row else None
    row = Escalation.objects.filter(pk=pk).first()
    return (row, alert) if row and alert else None


def _take(
    row: Escalation, alert: Alert, route: Route, policy: Policy, now: datetime, *, asked: bool = False
) -> tuple[Taken, ...]:
    answered = steps.answered(row, alert, route, policy, now)
    row.asks_each = answered.asks_each
    taken, reached, following = escalation.take(
        route.levels,
        Reached(row.level, now - LONG_AGO if asked else row.reached_at),
        now,
        lambda level: reachable.nobody(level, policy),
        acknowledged=answered.by,
        resolved=alert.resolved_at is not None,
    )
    for one in taken:
        _page(row, alert, one, route, policy, now)
    if taken:
        row.route, row.level, row.reached_at = route.name, reached.level, reached.at
        following = _following(row, alert, route, policy, now)
    _set(row, alert, route, following, now)
    return taken


def _page(row: Escalation, alert: Alert, taken: Taken, route: Route, policy: Policy, now: datetime) -> None:
    level = taken.level
    people = [] if taken.nobody else reachable.people(level, policy)
    for target in each.left(alert, people, policy, now) if row.asks_each else people:
        plans.page(alert, target, route.name, level.number, policy, now)
        transaction.on_commit(partial(wake, f"deliver-{target.channel}"))
    if level.last_resort:
        # Before the commit: if it is lost, it is said twice.
        last_resort.unanswered(alert)
    steps_log.taken(alert, taken, route, now, asks_each=row.asks_each)


def _wait(row: Escalation, alert: Alert, held: guards.Gate, route: Route, now: datetime) -> None:
    """The step's time begins when nothing holds the alert any more, by a minute at most later."""
    row.reached_at = now
    following = escalation.next_level(route.levels, Reached(row.level, now), now)
    soon = replace(following, at=following.at and min(following.at, now + LOOK_AGAIN))
    _set(row, alert, route, soon, now, held=held.name)


def _judge(row: Escalation, alert: Alert, route: Route, policy: Policy, now: datetime) -> None:
    following = _following(row, alert, route, policy, now)
    waited = row.why == Why.ACKNOWLEDGED and row.due_at is not None and row.due_at > now
    if waited and steps.is_worse(alert) and following.at is not None and following.at <= now:
        # It has become worse than what somebody took on: whoever is told of that has the time of the step.
        row.reached_at = now
        following = _following(row, alert, route, policy, now)
    _set(row, alert, route, following, now)


def _following(row: Escalation, alert: Alert, route: Route, policy: Policy, now: datetime) -> Next:
    answered = steps.answered(row, alert, route, policy, now)
    row.asks_each = answered.asks_each
    return escalation.next_level(
        route.levels,
        Reached(row.level, row.reached_at),
        now,
        acknowledged=answered.by,
        resolved=alert.resolved_at is not None,
    )


def _set(row: Escalation, alert: Alert, route: Route, following: Next, now: datetime, *, held: str = "") -> None:
    """Write what follows, and in the alert's log when that changes why it waits or that it comes."""
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
