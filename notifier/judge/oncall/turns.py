"""Whose turn it is in a layer. Pure. It is computed, not counted turn by turn, so old rotations take no longer.

Handovers are local times. One that does not exist when the clocks go forward happens later by what was skipped, one
that exists twice the first time, as in notifier.judge.calendar. Shifts are what lies between them, so they are
complete and disjoint whatever the clocks do.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import accumulate

from notifier.judge.calendar import QuietHours, zone
from notifier.judge.oncall.rotation import Layer

_DAY = timedelta(days=1)
_WEEK = timedelta(weeks=1)


@dataclass(frozen=True, slots=True)
class Turn:
    """A shift of a layer, start <= t < end, in UTC. None: there is no handover before, or after."""

    start: datetime | None
    end: datetime | None
    person: str | None  # None before the first handover, and while no member has a seat; "" is an empty seat


def turn_at(layer: Layer, at: datetime) -> Turn:
    """The layer's shift at an instant, without regard to its hours. Times in UTC."""
    cycle = _cycle_of(layer, at.astimezone(zone(layer.tz)).date())
    handovers = [one for near in (cycle - 1, cycle, cycle + 1) for one in _handovers(layer, near)]
    # A handover that the clocks skip is moved, perhaps behind the next one: then its shift has no length.
    instants = list(accumulate((instant for instant, _, _ in handovers), max))
    index = bisect_right(instants, at)
    if index == 0:
        return Turn(None, instants[0] if instants else _first_handover(layer), None)
    _, day, number = handovers[index - 1]
    person = _whose(layer, number, day) if number is not None else None
    return Turn(instants[index - 1], instants[index] if index < len(instants) else None, person)


@lru_cache(maxsize=4096)
def _handovers(layer: Layer, cycle: int) -> tuple[tuple[datetime, date, int | None], ...]:
    """The handovers of a cycle: when, on which local date, and which number the turn has that begins, if one does.

    A cycle is `every` weeks, the first of which has the handovers. Those before the layer's start are left out.
    """
    takes = _take_turns(layer)
    monday = _monday(layer.start) + cycle * layer.every * _WEEK
    before = cycle * sum(takes) - _turns_before_start(layer)
    found = []
    for slot, takes_turn in zip(layer.handovers, takes, strict=True):
        day = monday + slot.weekday * _DAY
        if day >= layer.start:
            instant = datetime.combine(day, slot.at, zone(layer.tz)).astimezone(UTC)
            found.append((instant, day, before if takes_turn else None))
        before += takes_turn
    return tuple(found)


def _first_handover(layer: Layer) -> datetime:
    return (_handovers(layer, 0) or _handovers(layer, 1))[0][0]


def _cycle_of(layer: Layer, day: date) -> int:
    return (day - _monday(layer.start)) // (layer.every * _WEEK)


def _monday(day: date) -> date:
    return day - day.weekday() * _DAY


def _turns_before_start(layer: Layer) -> int:
    """How many turns of the first week would have begun before the layer's start."""
    monday = _monday(layer.start)
    pairs = zip(layer.handovers, _take_turns(layer), strict=True)
    return sum(takes for slot, takes in pairs if monday + slot.weekday * _DAY < layer.start)


def _turns_until(layer: Layer, day: date) -> int:
    """How many turns have begun before the first moment of a local date."""
    cycle = _cycle_of(layer, day)
    monday = _monday(layer.start) + cycle * layer.every * _WEEK
    takes = _take_turns(layer)
    pairs = zip(layer.handovers, takes, strict=True)
    begun = sum(one for slot, one in pairs if monday + slot.weekday * _DAY < day)
    return max(0, cycle * sum(takes) + begun - _turns_before_start(layer))


@lru_cache(maxsize=256)
def _take_turns(layer: Layer) -> tuple[bool, ...]:
    """For each handover whether a new turn begins with it: always, or only if its shift has some of the hours."""
    if not layer.hours or layer.days_off_take_turn:
        return (True,) * len(layer.handovers)
    monday = date(2024, 1, 1)  # any: the week's own times, without a zone
    starts = [datetime.combine(monday + slot.weekday * _DAY, slot.at) for slot in layer.handovers]
    ends = [*starts[1:], starts[0] + layer.every * _WEEK]
    return tuple(
        any(_overlap(rule, start, end) for rule in layer.hours) for start, end in zip(starts, ends, strict=True)
    )


def _overlap(rule: QuietHours, start: datetime, end: datetime) -> bool:
    day = start - 2 * _DAY
    while day.date() <= end.date():
        begins = datetime.combine(day, rule.start)
        ends = datetime.combine(day if rule.end > rule.start else day + _DAY, rule.end)
        if day.weekday() in rule.days and begins < end and start < ends:
            return True
        day += _DAY
    return False


@lru_cache(maxsize=4096)
def _whose(layer: Layer, number: int, day: date) -> str | None:
    """Who takes the turn with this number, which begins on this local date: the seat after that of the turn before.

    Between two dates on which a seat is added or ends the same seats take turns, so it is enough to look at those
    dates. A change of the seats moves no turn before it.
    """
    last, found = -1, None
    changes = [one for one in _changes(layer) if one <= day]
    firsts = [_turns_until(layer, change) for change in changes]
    for change, first, following in zip(changes, firsts, [*firsts[1:], number + 1], strict=True):
        seats = [index for index, member in enumerate(layer.members) if member.sits_on(change)]
        if following == first:
            continue  # no turn began in this time
        found = None
        if seats:
            next_one = next((place for place, seat in enumerate(seats) if seat > last), 0)
            last = seats[(next_one + following - first - 1) % len(seats)]
            found = layer.members[last].person
    return found


def _changes(layer: Layer) -> list[date]:
    """The dates on which the seats change, beginning with the layer's start."""
    added = {member.since for member in layer.members if member.since}
    ended = {member.until + _DAY for member in layer.members if member.until}
    return [layer.start, *sorted(day for day in added | ended if day > layer.start)]
