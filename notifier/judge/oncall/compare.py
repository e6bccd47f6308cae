"""How much of a rotation each person has, and what another rotation would change. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from itertools import pairwise

from notifier.judge.calendar import zone
from notifier.judge.oncall.rota import Shift

_DAY = timedelta(days=1)
_SATURDAY = 5


@dataclass(frozen=True, slots=True)
class Share:
    """How long somebody is on call, and how much of that is on Saturdays and Sundays."""

    person: str
    shifts: int
    total: timedelta
    weekend: timedelta


def shares(found: Iterable[Shift], people: Iterable[str], tz: str) -> list[Share]:
    """Everybody's share, those with nothing too, the largest first. Days are local ones of the zone."""
    by_person: dict[str, list[Shift]] = {person: [] for person in people}
    for shift in found:
        if shift.person is not None:
            by_person.setdefault(shift.person, []).append(shift)
    made = [
        Share(
            person,
            len(own),
            sum((shift.lasting for shift in own), timedelta()),
            sum((_weekend(shift.start, shift.end, tz) for shift in own), timedelta()),
        )
        for person, own in by_person.items()
    ]
    return sorted(made, key=lambda share: (-share.total, share.person))


def _weekend(start: datetime, end: datetime, tz: str) -> timedelta:
    local = zone(tz)
    found, at = timedelta(), start
    while at < end:
        here = at.astimezone(local)
        midnight = datetime.combine(here.date() + _DAY, time(0), local).astimezone(start.tzinfo)
        until = min(max(midnight, at + timedelta(minutes=1)), end)
        if here.weekday() >= _SATURDAY:
            found += until - at
        at = until
    return found


@dataclass(frozen=True, slots=True)
class Change:
    """From `start` on and before `end` somebody else is on call; None is nobody."""

    start: datetime
    end: datetime
    before: str | None
    after: str | None


def changes(old: Sequence[Shift], new: Sequence[Shift]) -> list[Change]:
    """Where two lists of shifts for the same time have different people."""
    edges = sorted({edge for shift in (*old, *new) for edge in (shift.start, shift.end)})
    found: list[Change] = []
    for start, end in pairwise(edges):
        before, after = _on(old, start), _on(new, start)
        if before == after:
            continue
        last = found[-1] if found else None
        if last and (last.end, last.before, last.after) == (start, before, after):
            found[-1] = replace(last, end=end)
        else:
            found.append(Change(start, end, before, after))
    return found


def _on(found: Sequence[Shift], at: datetime) -> str | None:
    return next((shift.person for shift in found if shift.start <= at < shift.end), None)
