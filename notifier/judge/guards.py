"""Whether a message that is due may be sent now: `judge` asks the guards that TABLE has for its reason. Pure.

A guard that objects holds the message or diverts it to another channel; none drops what nobody was told. What is held
is judged again when the guard ends. Each ruling has a name, which is stored and shown to people.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from notifier.facts import AlertState, HeldBy, Reason, Told
from notifier.judge.calendar import quiet_until
from notifier.judge.match import Matcher, matches
from notifier.judge.policy import ChannelConfig

# A parent's end judges its children at once; this only bounds the wait when that was missed.
LOOK_AGAIN = timedelta(minutes=5)
DAY = timedelta(days=1)


UNREACHED = "could not be delivered"


class Action(StrEnum):
    SEND = "send"
    HOLD = "hold"  # judge again at `until`
    DIVERT = "divert"  # tell another channel instead


@dataclass(frozen=True, slots=True)
class Ruling:
    action: Action
    name: str  # "clear", or the guard that answered
    until: datetime | None = None
    to: str = ""  # the channel to divert to; empty: the last resort
    held_by: HeldBy | None = None  # what holds, with the number or name of it
    ref: str = ""


@dataclass(frozen=True, slots=True)
class Silenced:
    """One silence in force."""

    id: int
    matcher: Matcher
    starts_at: datetime
    ends_at: datetime
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Case:
    """Everything a guard may look at."""

    reason: Reason
    alert: AlertState
    told: Told
    channel: ChannelConfig
    now: datetime
    silences: tuple[Silenced, ...] = ()
    dead: str = ""  # why nothing can be delivered to the target
    trying_since: datetime | None = None  # since when this message could not be delivered
    told_elsewhere: bool = False  # others have heard of it meanwhile, or the last resort has
    edits: bool = False  # news changes a message that stands, and rings nowhere
    budget_until: datetime | None = None  # spent: when the next day's begins
    asks_each: bool = False  # a step asks each of its recipients, and not all of them have answered


CLEAR = Ruling(Action.SEND, "clear")
Guard = Callable[[Case], Ruling | None]


def hold(by: HeldBy, until: datetime, ref: object = "") -> Ruling:
    return Ruling(Action.HOLD, by.words(str(ref)), until, held_by=by, ref=str(ref))


def judge(case: Case) -> Ruling:
    """The first guard that objects, in the order of the reason's row of the table."""
    for guard in TABLE[case.reason]:
        ruling = guard(case)
        if ruling is not None:
            return ruling
    return CLEAR


def holding_all(alert: AlertState, silences: tuple[Silenced, ...], now: datetime) -> Ruling | None:
    """What holds all messages on an alert, if anything: then nobody can be expected to answer."""
    case = Case(Reason.ESCALATED, alert, Told(), ChannelConfig("", "", "", ()), now, silences)
    return ignored(case) or inhibited(case) or silenced(case)


def inhibited(case: Case) -> Ruling | None:
    parent = case.alert.inhibited_by
    return hold(HeldBy.INHIBITED, case.now + LOOK_AGAIN, parent) if parent else None


def ignored(case: Case) -> Ruling | None:
    """Holds until the code changes or somebody takes it back; neither has a time, so it is judged again each day."""
    return hold(HeldBy.IGNORED, case.now + DAY, case.alert.ignored) if case.alert.ignored else None


def silenced(case: Case) -> Ruling | None:
    ends = [
        (silence.ends_at, silence.id)
        for silence in case.silences
        if silence.starts_at <= case.now < silence.ends_at and matches(silence.matcher, case.alert.subject)
    ]
    if not ends:
        return None
    until, number = max(ends)
    return hold(HeldBy.SILENCE, until, number)


def acknowledged(case: Case) -> Ruling | None:
    if case.asks_each and case.reason is Reason.ESCALATED:
        return None
    until, seen = case.alert.acknowledged_until, case.alert.acknowledged_severity
    if seen is not None and case.alert.subject.severity > seen:
        return None  # it has become worse since somebody acknowledged it
    return hold(HeldBy.ACKNOWLEDGED, until) if until and case.now < until else None


def quiet(case: Case) -> Ruling | None:
    """Holds during quiet hours, unless the alert is as bad as their `unless`.

    News that it is over, or that somebody has it, passes only to those who were told of it in the same quiet hours.
    """
    if case.reason is Reason.ANSWERED and case.edits:
        return None
    ends = []
    for rule in case.channel.quiet:
        until = quiet_until(rule.hours, case.now)
        if until is None:
            continue
        passes = rule.unless is not None and case.alert.subject.severity >= rule.unless
        if case.reason in (Reason.RESOLVED, Reason.ANSWERED) and passes:
            passes = case.told.at is not None and quiet_until(rule.hours, case.told.at) == until
        if not passes:
            ends.append((until, rule.name))
    if not ends:
        return None
    until, name = max(ends)
    return hold(HeldBy.QUIET_HOURS, until, name)


def undeliverable(case: Case) -> Ruling | None:
    """Diverts to the failover: at once for a dead target, for one that fails after FAILOVER_AFTER.

    Without a failover the last resort is told.
    """
    if case.dead:
        return Ruling(Action.DIVERT, case.dead, to=case.channel.failover)
    since = case.trying_since
    if since and not case.told_elsewhere and case.now - since >= case.channel.failover_after:
        return Ruling(Action.DIVERT, UNREACHED, to=case.channel.failover)
    return None


def over_budget(case: Case) -> Ruling | None:
    if case.budget_until is None or case.budget_until <= case.now:
        return None
    if case.channel.limits.overflow:
        return Ruling(Action.DIVERT, "budget spent", to=case.channel.limits.overflow)
    return hold(HeldBy.BUDGET, case.budget_until)


# Rates (LIMITS) are not in the table: they hold a target with all its messages (see targets.hold).
TABLE: dict[Reason, tuple[Guard, ...]] = {
    Reason.FIRST: (ignored, inhibited, silenced, acknowledged, quiet, undeliverable, over_budget),
    # Worse than it was when somebody acknowledged it: they must know.
    Reason.RAISED: (ignored, inhibited, silenced, quiet, undeliverable, over_budget),
    Reason.REOPENED: (ignored, inhibited, silenced, quiet, undeliverable, over_budget),
    # An acknowledgement is looked for again in the statement that claims the send: it may come in this moment.
    Reason.ESCALATED: (ignored, inhibited, silenced, acknowledged, quiet, undeliverable, over_budget),
    Reason.UPDATE: (ignored, inhibited, silenced, acknowledged, quiet, undeliverable, over_budget),
    Reason.REPEAT: (ignored, inhibited, silenced, acknowledged, quiet, undeliverable, over_budget),
    # Whoever was told of it is told who has it, although that, or a silence, holds everything else.
    Reason.ANSWERED: (quiet, undeliverable, over_budget),
    # Whoever was told that it began is told that it is over; nobody is woken for it.
    Reason.RESOLVED: (quiet, undeliverable, over_budget),
    Reason.DIGEST: (undeliverable,),
    Reason.TEST: (),
}
