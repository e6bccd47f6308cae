"""Takes the escalation steps that are due. A step, its pages and the time of the next step are stored in one commit, so
that a crash cannot end an escalation.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from django.db import transaction

from alerts_runtime.isolation.parts import on_its_own
from alerts_runtime.wakeups.wake import wake
from notifier.flow import each, escalations, silences, steps, steps_log
from notifier.flow.escalations import what_follows, write_next
from notifier.judge import escalation, guards
from notifier.judge.escalation import Level, Reached, Taken
from notifier.judge.policy import Policy, Route
from notifier.models import Alert, Escalation, Notification
from notifier.outbox import last_resort, pages, reachable

AT_ONCE = 200
LOOK_AGAIN = timedelta(minutes=1)  # while something holds the alert
LONG_AGO = timedelta(days=1000)  # longer than any step waits


def take_due(policy: Policy, now: datetime) -> int:
    """Take the steps that are due; of how many alerts. Any number of workers may call it at once."""
    due = Escalation.objects.filter(due_at__lte=now).order_by("due_at").values_list("pk", flat=True)
    return sum(bool(on_its_own("escalate", partial(_take_due, pk, policy, now), key=pk)) for pk in due[:AT_ONCE])


def take_next(alert: Alert, policy: Policy, now: datetime) -> Level | None:
    """Take the next step of an alert now, because somebody asks for it; None when none is left.

    The alert must not be acknowledged, which would hold the page. The caller holds the alert's lock.
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
    """Page whoever is on call now in place of a person who no longer is.

    That person still hears how the alert goes on, if they were told of it. The caller holds the alert's lock.
    """
    channel = policy.channels[row.target.channel]
    for target in channel.targets:
        pages.page(row.alert, target, row.route, row.level, policy, now)
    pages.needs_no_page(row, policy, now)
    transaction.on_commit(partial(wake, f"deliver-{channel.alias}"))


def _take_due(pk: int, policy: Policy, now: datetime) -> bool:
    with transaction.atomic():
        # Silences are locked before alerts, as where a message is judged, so that there is no deadlock.
        in_force = silences.in_force(now, lock=True)
        found = _locked(pk)
        if found is None:
            return False
        row, alert = found
        if row.due_at is None or row.due_at > now:
            return False  # another worker has taken it, or it was acknowledged
        route = steps.route_of(row, alert, policy)
        if route is None:
            row.due_at, row.why = None, escalations.NO_ROUTE
            row.save()
            return False
        if escalations.is_to_be_judged(row, alert):
            escalations.judge(row, alert, route, policy, now)
        if row.due_at is None or row.due_at > now:
            return False
        if held := guards.holding_all(alert.state, in_force, now):
            _wait(row, alert, held, route, now)
        else:
            return bool(_take(row, alert, route, policy, now))
    return False


def _locked(pk: int) -> tuple[Escalation, Alert] | None:
    """Both rows, read again; the alert is locked, as everywhere before a change to it."""
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
        following = what_follows(row, alert, route, policy, now)
    write_next(row, alert, route, following, now)
    return taken


def _page(row: Escalation, alert: Alert, taken: Taken, route: Route, policy: Policy, now: datetime) -> None:
    level = taken.level
    people = [] if taken.nobody else reachable.people(level, policy)
    for target in each.left(alert, people, policy, now) if row.asks_each else people:
        pages.page(alert, target, route.name, level.number, policy, now)
        transaction.on_commit(partial(wake, f"deliver-{target.channel}"))
    if level.last_resort:
        # Before the commit: if that fails, it is said twice, which is better than never.
        last_resort.not_acknowledged(alert)
    steps_log.taken(alert, taken, route, now, asks_each=row.asks_each)


def _wait(row: Escalation, alert: Alert, held: guards.Ruling, route: Route, now: datetime) -> None:
    """Look again within a minute. The step's time begins to run only when nothing holds the alert any more."""
    row.reached_at = now
    following = escalation.next_level(route.levels, Reached(row.level, now), now)
    soon = replace(following, at=following.at and min(following.at, now + LOOK_AGAIN))
    write_next(row, alert, route, soon, now, held=held.name)
