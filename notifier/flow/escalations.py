"""The only writer of Escalation: how far a route's steps have come for an alert, and when the next one is due.

Whatever changes that (a failure, an acknowledgement, an end) sets `due_at` in its own transaction; tick takes what is
due. A step that is taken, the pages that it plans and the next step's time are one commit: nothing ends a series.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from django.db import transaction
from django.db.models import F

from alerts_runtime.isolation.parts import on_its_own
from alerts_runtime.leasing.clock import brought_forward
from alerts_runtime.redaction.masking import masked
from alerts_runtime.wakeups.wake import wake
from notifier.alerts.store import state_of
from notifier.facts import Reason, Told
from notifier.facts import Target as To
from notifier.flow import each, silences, steps_log
from notifier.judge import escalation, guards
from notifier.judge.escalation import Acknowledged, Level, Next, Reached, Taken, Why
from notifier.judge.policy import Channel, Policy, Route
from notifier.judge.route import try_routes
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
        steps_log.left_out(alert, _left_of_round(row, route), "another route escalates it now", route, now)
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


def asks_each(alert_id: int) -> bool:
    """Whether the steps of an alert go on although somebody has acknowledged it."""
    return Escalation.objects.filter(alert=alert_id, asks_each=True).exists()


def is_one_left(alert_id: int) -> bool:
    """Whether a step of an alert is still to come."""
    return Escalation.objects.filter(alert=alert_id, due_at__isnull=False).exists()


def asks(alert: Alert, person: str, address: str, policy: Policy, now: datetime) -> bool:
    """Whether it is this person's answer too that the steps wait for."""
    for row in Escalation.objects.filter(alert=alert, asks_each=True):
        route = policy.route(row.route)
        left = _left(row, alert, route, policy, now) if route else []
        if any(each.names(one, policy) & {person, masked(address)} for one in left):
            return True
    return False


def pause_ends(alert: Alert, policy: Policy, now: datetime) -> None:
    """The time under the acknowledgement that there was counts for no step, before another one is written or it is
    taken back.

    The caller holds the alert's lock, and the alert says who had it since when.
    """
    for row in Escalation.objects.filter(alert=alert, due_at__isnull=False):
        route = policy.route(row.route)
        known = _acknowledged(row, alert, route, policy, now) if route else None
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
        route = _route_of(row, alert, policy)
        if route is None:
            continue
        taken = _take(row, alert, route, policy, now, asked=True)
        if taken:
            return taken[-1].level
    return None


@dataclass(frozen=True, slots=True)
class Coming:
    """A step that comes unless somebody acknowledges the alert."""

    route: str
    level: Level
    at: datetime
    nobody: str  # why it would reach nobody, as it is now: then the next one comes at this moment


def coming(alert: Alert, policy: Policy, now: datetime) -> list[Coming]:
    """What is still to come of an alert's escalation, in order of time."""
    found = []
    for row in Escalation.objects.filter(alert=alert, due_at__isnull=False):
        route = _route_of(row, alert, policy)
        left = route.levels[row.level + 1 :] if route else ()
        at = row.due_at or now
        for level, after in zip(left, (*left[1:], None), strict=True):
            nobody = reachable.nobody(level, policy)
            found.append(Coming(row.route, level, at, nobody))
            if after is not None and not nobody:
                at = max(at, now) + (after.at - level.at)
    return sorted(found, key=lambda one: one.at)


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
        route = _route_of(row, alert, policy)
        if route is None:
            row.due_at, row.why = None, "no route with steps takes it any more"
            row.save()
        elif held := _held(alert, in_force, now):
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


def _route_of(row: Escalation, alert: Alert, policy: Policy) -> Route | None:
    """Its route as it is now; when that is gone or has no steps, the one with steps that takes the alert."""
    known = policy.route(row.route)
    if known is not None and known.escalate:
        return known
    tried = try_routes(state_of(alert).subject, policy.routes, last_attempt=True)
    return next((one.route for one in tried if not one.why_not and one.route.escalate), None)


def _take(
    row: Escalation, alert: Alert, route: Route, policy: Policy, now: datetime, *, asked: bool = False
) -> tuple[Taken, ...]:
    taken, reached, following = escalation.take(
        route.levels,
        Reached(row.level, now - LONG_AGO if asked else row.reached_at),
        now,
        lambda level: reachable.nobody(level, policy),
        acknowledged=_acknowledged(row, alert, route, policy, now),
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


def _held(alert: Alert, in_force: tuple[guards.Silenced, ...], now: datetime) -> guards.Gate | None:
    """What holds every message on the alert: who is told nothing cannot be waited for."""
    case = guards.Case(
        reason=Reason.ESCALATED,
        alert=state_of(alert),
        told=Told(),
        channel=Channel("", "", "", ()),
        now=now,
        silences=in_force,
    )
    return guards.ignored(case) or guards.inhibited(case) or guards.silenced(case)


def _wait(row: Escalation, alert: Alert, held: guards.Gate, route: Route, now: datetime) -> None:
    """The step's time begins when nothing holds the alert any more, by a minute at most later."""
    row.reached_at = now
    following = escalation.next_level(route.levels, Reached(row.level, now), now)
    soon = replace(following, at=following.at and min(following.at, now + LOOK_AGAIN))
    _set(row, alert, route, soon, now, held=held.name)


def _judge(row: Escalation, alert: Alert, route: Route, policy: Policy, now: datetime) -> None:
    following = _following(row, alert, route, policy, now)
    waited = row.why == Why.ACKNOWLEDGED and row.due_at is not None and row.due_at > now
    if waited and _is_worse(alert, now) and following.at is not None and following.at <= now:
        # It has become worse than what somebody took on: whoever is told of that has the time of the step.
        row.reached_at = now
        following = _following(row, alert, route, policy, now)
    _set(row, alert, route, following, now)


def _following(row: Escalation, alert: Alert, route: Route, policy: Policy, now: datetime) -> Next:
    return escalation.next_level(
        route.levels,
        Reached(row.level, row.reached_at),
        now,
        acknowledged=_acknowledged(row, alert, route, policy, now),
        resolved=alert.resolved_at is not None,
    )


def _acknowledged(row: Escalation, alert: Alert, route: Route, policy: Policy, now: datetime) -> Acknowledged | None:
    """The acknowledgement that counts: what has become worse since is nobody's yet, and a step may ask each of them."""
    row.asks_each = False
    if alert.acknowledged_until is None:
        return None
    if _is_worse(alert, alert.acknowledged_until):
        return None
    row.asks_each = now < alert.acknowledged_until and bool(_left(row, alert, route, policy, now))
    if row.asks_each:
        return None
    return Acknowledged(alert.acknowledged_at or alert.opened_at, alert.acknowledged_until)


def _is_worse(alert: Alert, by: datetime) -> bool:
    """Than what somebody had taken on, by a time at which they have it."""
    has_it = alert.acknowledged_until is not None and by <= alert.acknowledged_until
    return has_it and alert.acknowledged_severity is not None and alert.severity > alert.acknowledged_severity


def _left(row: Escalation, alert: Alert, route: Route, policy: Policy, now: datetime) -> list[To]:
    """Who has still to answer of those whom the steps that were taken ask each."""
    asking = [level for level in route.levels[: row.level + 1] if level.each]
    people = {one.key: one for level in asking for one in reachable.people(level, policy)}
    return each.left(alert, people.values(), policy, now) if people else []


def _left_of_round(row: Escalation, route: Route) -> list[Level]:
    left = route.levels[row.level + 1 :]
    return [level for level in left if level.round == route.levels[row.level].round]


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
            steps_log.left_out(alert, _left_of_round(row, route), "it is over", route, now)
    row.due_at, row.why = following.at, why
    row.save()
