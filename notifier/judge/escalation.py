"""Which step of escalation comes next when nobody acknowledges an alert, and when. Pure.

A route's steps are timed from its first page. While somebody has acknowledged the alert that time stands still, and
goes on when the acknowledgement ends. A step that reaches nobody is taken, and the next one at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Step:
    """One entry of a route's `escalate`."""

    after: timedelta  # counted from the first page
    to: tuple[str, ...] = ()  # channel aliases
    each: bool = False  # every one of them has to answer
    last_resort: bool = False  # the log at CRITICAL, and the site's admins


@dataclass(frozen=True, slots=True)
class Level:
    """A step of a route with its number. The first page is level 0, and each repeat begins with it again."""

    number: int
    at: timedelta  # after the first page
    to: tuple[str, ...]
    each: bool = False
    last_resort: bool = False
    round: int = 1


@dataclass(frozen=True, slots=True)
class Reached:
    """The last level that was taken, and when."""

    level: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The latest acknowledgement. Its `until` is in the past when it ran out or was taken back."""

    at: datetime
    until: datetime


class Why(StrEnum):
    UNANSWERED = "nobody has acknowledged it"
    ACKNOWLEDGED = "acknowledged"
    OVER = "resolved"
    DONE = "every step has been taken"


@dataclass(frozen=True, slots=True)
class Next:
    """The level that comes next, when, and why then; without a time none does."""

    why: Why
    level: Level | None = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """A level whose time has come. `nobody`: why it reaches nobody; empty when it reaches somebody."""

    level: Level
    nobody: str = ""


def levels(
    first: Sequence[str], steps: Sequence[Step], repeats: int = 0, wait: timedelta = timedelta(0)
) -> tuple[Level, ...]:
    """Every level of a route in order: its first page, its steps, all of that `repeats` times more, the last resort.

    The last step has as much time as the one before it. A route without steps has its first page only. `wait` is the
    route's, by which its first page comes after the alert was opened: all others come as much later.
    """
    people = [step for step in steps if not step.last_resort]
    end = next((step for step in steps if step.last_resort), None)
    if not steps:
        return (Level(0, timedelta(0), tuple(first)),)
    length = _with_time_to_answer(people)
    found: list[Level] = []
    for again in range(repeats + 1 if people else 1):
        for step in (Step(timedelta(0), tuple(first)), *people):
            found.append(Level(len(found), again * length + step.after, step.to, step.each, round=again + 1))
    start = found[-1].at - (people[-1].after if people else timedelta(0))
    last = Level(len(found), start + length, (), last_resort=True, round=found[-1].round)
    if end is not None:
        last = replace(last, at=start + end.after, to=end.to)
    return (found[0], *(replace(level, at=wait + level.at) for level in (*found[1:], last)))


def _with_time_to_answer(people: Sequence[Step]) -> timedelta:
    before = (timedelta(0), *(step.after for step in people))
    return before[-1] + (before[-1] - before[-2]) if people else timedelta(0)


def place(plan: Sequence[Level], level: Level) -> str:
    """The name of a level for people: "step 1 of 2, round 2 of 3", "the first page", "the last resort"."""
    if level.last_resort:
        return "the last resort"
    steps = sum(1 for one in plan if one.round == 1 and one.number and not one.last_resort)
    number = level.number - (level.round - 1) * (steps + 1)
    which = f"step {number} of {steps}" if number else "the first page"
    again = f", round {level.round} of {plan[-1].round}" if plan[-1].round > 1 else ""
    return which + again


def next_level(
    plan: Sequence[Level],
    reached: Reached,
    now: datetime,
    *,
    acknowledged: Acknowledged | None = None,
    resolved: bool = False,
) -> Next:
    """The level after the one that was reached, with its time, which is in the past when it is overdue."""
    if resolved:
        return Next(Why.OVER)
    if reached.level + 1 >= len(plan):
        return Next(Why.DONE)
    level = plan[reached.level + 1]
    # A time after `now` was written while a clock was wrong: a page must not wait for that.
    at = min(reached.at, now) + (level.at - plan[reached.level].at)
    if acknowledged is None or acknowledged.until <= reached.at or acknowledged.at >= at:
        return _with_ack_in_force(Next(Why.UNANSWERED, level, at), acknowledged, now)
    left = at - max(acknowledged.at, reached.at)
    why = Why.ACKNOWLEDGED if now < acknowledged.until else Why.UNANSWERED
    return Next(why, level, acknowledged.until + left)


def _with_ack_in_force(found: Next, acknowledged: Acknowledged | None, now: datetime) -> Next:
    """When it was overdue and somebody acknowledged it after all, it comes as soon as that ends."""
    if acknowledged is None or found.at is None or not acknowledged.at <= now < acknowledged.until:
        return found
    return Next(Why.ACKNOWLEDGED, found.level, max(found.at, acknowledged.until))


def take(
    plan: Sequence[Level],
    reached: Reached,
    now: datetime,
    nobody: Callable[[Level], str],
    *,
    acknowledged: Acknowledged | None = None,
    resolved: bool = False,
) -> tuple[tuple[Taken, ...], Reached, Next]:
    """The levels that are taken now, the last of them, and what comes after it.

    Levels are taken until one reaches somebody, who then has all the time of that step, even if it comes late.
    `nobody(level)`: why a level reaches nobody, or "".
    """
    taken: list[Taken] = []
    following = next_level(plan, reached, now, acknowledged=acknowledged, resolved=resolved)
    while following.level is not None and following.at is not None:
        at_once = bool(taken) and following.why is Why.UNANSWERED  # the one before it reached nobody
        if not at_once and (following.at > now or following.why is Why.ACKNOWLEDGED):
            break
        why_not = nobody(following.level)
        taken.append(Taken(following.level, why_not))
        reached = Reached(following.level.number, now)
        following = next_level(plan, reached, now, acknowledged=acknowledged, resolved=resolved)
        if not why_not:
            break
    return tuple(taken), reached, following
