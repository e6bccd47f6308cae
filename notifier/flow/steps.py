"""How far the escalation of an alert has come, by the tables and the settings of now. Writes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from alerts_runtime.redaction.masking import masked
from notifier.facts import Recipient
from notifier.flow import each
from notifier.judge.escalation import Acknowledged, Level
from notifier.judge.policy import Policy, Route
from notifier.judge.route import try_routes
from notifier.models import Alert, Escalation
from notifier.outbox import reachable


@dataclass(frozen=True, slots=True)
class Coming:
    """A step that comes unless somebody acknowledges the alert."""

    route: str
    level: Level
    at: datetime
    nobody: str  # why it would reach nobody, if so: then the next one comes at the same time


def coming(alert: Alert, policy: Policy, now: datetime) -> list[Coming]:
    """What is still to come of an alert's escalation, in order of time."""
    found = []
    for row in Escalation.objects.filter(alert=alert, due_at__isnull=False):
        route = route_of(row, alert, policy)
        left = route.levels[row.level + 1 :] if route else ()
        at = row.due_at or now
        for level, after in zip(left, (*left[1:], None), strict=True):
            nobody = reachable.nobody(level, policy)
            found.append(Coming(row.route, level, at, nobody))
            if after is not None and not nobody:
                at = max(at, now) + (after.at - level.at)
    return sorted(found, key=lambda one: one.at)


def is_one_left(alert_id: int) -> bool:
    """Whether a step of an alert is still to come."""
    return Escalation.objects.filter(alert=alert_id, due_at__isnull=False).exists()


def asks_each(alert_id: int) -> bool:
    """Whether the steps of an alert go on although somebody has acknowledged it."""
    return Escalation.objects.filter(alert=alert_id, asks_each=True).exists()


def asks(alert: Alert, person: str, address: str, policy: Policy, now: datetime) -> bool:
    """Whether the steps wait for an answer of this person too."""
    for row in Escalation.objects.filter(alert=alert, asks_each=True):
        route = policy.route(row.route)
        left = _left(row, alert, route, policy, now) if route else []
        if any(each.names(one, policy) & {person, masked(address)} for one in left):
            return True
    return False


def route_of(row: Escalation, alert: Alert, policy: Policy) -> Route | None:
    """The route of an escalation. If that is gone or has no steps any more, a route with steps that takes the alert."""
    known = policy.route(row.route)
    if known is not None and known.escalate:
        return known
    tried = try_routes(alert.subject, policy.routes, last_attempt=True)
    return next((one.route for one in tried if not one.why_not and one.route.escalate), None)


def left_of_round(row: Escalation, route: Route) -> list[Level]:
    """The levels of the current round that have not been taken."""
    left = route.levels[row.level + 1 :]
    return [level for level in left if level.round == route.levels[row.level].round]


@dataclass(frozen=True, slots=True)
class Answered:
    """The acknowledgement of an alert, as far as its steps are concerned."""

    by: Acknowledged | None = None
    asks_each: bool = False  # acknowledged, but not yet by each of those whom a step asks


def answered(row: Escalation, alert: Alert, route: Route, policy: Policy, now: datetime) -> Answered:
    """The acknowledgement that holds the steps: none if the alert got worse since, or a step still waits for others."""
    until = alert.acknowledged_until
    if until is None or is_worse(alert):
        return Answered()
    if now < until and _left(row, alert, route, policy, now):
        return Answered(asks_each=True)
    return Answered(Acknowledged(alert.acknowledged_at or alert.opened_at, until))


def is_worse(alert: Alert) -> bool:
    """Whether the alert is worse than it was when somebody acknowledged it."""
    return alert.acknowledged_severity is not None and alert.severity > alert.acknowledged_severity


def _left(row: Escalation, alert: Alert, route: Route, policy: Policy, now: datetime) -> list[Recipient]:
    """Who has still to answer, of the people whom the steps taken so far ask each."""
    asking = [level for level in route.levels[: row.level + 1] if level.each]
    people = {one.key: one for level in asking for one in reachable.people(level, policy)}
    return each.left(alert, people.values(), policy, now) if people else []
