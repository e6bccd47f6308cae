"""Who is on call at a time, and why: the one answer that messages, pages, feeds and commands all show. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum

from notifier.judge.calendar import spans_near, zone
from notifier.judge.oncall.rotation import Layer, Override, Rotation
from notifier.judge.oncall.turns import Turn, turn_at

FAR = timedelta(days=35)  # how far a shift or gap that is made of many pieces is followed
_INSTANT = timedelta(microseconds=1)  # the smallest difference of two times
EARLIEST, LATEST = datetime(1970, 1, 10, tzinfo=UTC), datetime(9990, 1, 1, tzinfo=UTC)


class Why(StrEnum):
    """Why somebody is on call, or nobody."""

    OVERRIDE = "override"  # somebody took the period over
    SHIFT = "shift"
    CALENDAR = "calendar"  # an event of the calendar that the rotation is read from
    EMPTY_SEAT = "empty seat"  # it is the turn of a seat without a person
    OUTSIDE_HOURS = "outside the hours"  # no layer is in force
    NOT_STARTED = "not started"  # before the first handover
    NO_MEMBERS = "no members"  # nobody has a seat on the day of the handover


@dataclass(frozen=True, slots=True)
class Duty:
    """Who is on call, since <= t < until, in UTC. None for a time is FAR away or more, or there is none."""

    person: str | None  # key of PEOPLE
    since: datetime | None
    until: datetime | None
    why: Why
    layer: str = ""  # whose shift it is
    turn: datetime | None = None  # the handover with which that shift began
    override: int | None = None  # the id of the override by which it was taken over

    def is_one_with(self, other: Duty) -> bool:
        """Whether nothing is handed over between the two: the same shift, or nobody before and after."""
        return self._shift == other._shift

    @property
    def _shift(self) -> tuple[object, ...]:
        return (self.person, self.layer, self.turn, self.override) if self.person else (None,)


@dataclass(frozen=True, slots=True)
class Shift:
    """Who is on call in a rotation, start <= t < end, in UTC. A shift of nobody is a gap."""

    person: str | None
    start: datetime
    end: datetime
    why: Why
    layer: str = ""
    override: int | None = None

    @property
    def lasting(self) -> timedelta:
        return self.end - self.start


def who(rotation: Rotation, overrides: Iterable[Override], at: datetime) -> Duty:
    """Who is on call at an instant, since when and until when.

    By the override that was made last; else by the last layer that has somebody then. Raises ValueError for an instant
    without a zone, before 1970 or after 9989.
    """
    own, at = _of(rotation, overrides), _checked(at)
    duty = _piece(rotation, own, at)
    since, until = duty.since, duty.until
    while until and (after := _piece(rotation, own, until)).is_one_with(duty):
        until = after.until if until - at < FAR else None
    while since and (before := _piece(rotation, own, since - _INSTANT)).is_one_with(duty):
        since = before.since if at - since < FAR else None
    return replace(duty, since=since, until=until)


def person_at(rotation: Rotation, overrides: Iterable[Override], at: datetime) -> str | None:
    """The person that `who` would name, in less time, since it does not look where the shift begins and ends."""
    return _piece(rotation, _of(rotation, overrides), _checked(at)).person


def shifts(rotation: Rotation, overrides: Iterable[Override], start: datetime, end: datetime) -> list[Shift]:
    """Everything between two instants, gaps too, in order: each begins where the one before it ends.

    The first and the last are cut to that time. Raises ValueError as `who` does.
    """
    own = _of(rotation, overrides)
    found: list[Shift] = []
    last: Duty | None = None
    for duty, since, until in _pieces(rotation, own, _checked(start), _checked(end)):
        if last is not None and duty.is_one_with(last):
            found[-1] = replace(found[-1], end=until)
        else:
            found.append(Shift(duty.person, since, until, duty.why, duty.layer, duty.override))
        last = duty
    return found


def gaps(rotation: Rotation, overrides: Iterable[Override], start: datetime, end: datetime) -> list[Shift]:
    """When nobody is on call between two instants."""
    return [one for one in shifts(rotation, overrides, start, end) if one.person is None]


def _checked(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise ValueError("a time needs a zone")
    instant = at.astimezone(UTC)
    if not EARLIEST <= instant <= LATEST:
        raise ValueError("who is on call is known from 1970 to 9989 only")
    return instant


def _of(rotation: Rotation, overrides: Iterable[Override]) -> list[Override]:
    return sorted((one for one in overrides if one.rotation == rotation.name), key=lambda one: one.id, reverse=True)


def _pieces(
    rotation: Rotation, overrides: Sequence[Override], start: datetime, end: datetime
) -> Iterator[tuple[Duty, datetime, datetime]]:
    at = start
    while at < end:
        duty = _piece(rotation, overrides, at)
        until = min(duty.until or end, end)
        yield duty, at, until
        at = until


def _piece(rotation: Rotation, overrides: Sequence[Override], at: datetime) -> Duty:
    """The answer at an instant, with a time around it in which it is certainly the same."""
    above: list[Duty] = []  # overrides and layers that do not apply, each with the time for which that holds
    for override in overrides:
        if override.start <= at < override.end:
            return _cut(_of_override(override), above)
        edges = (override.end, None) if override.end <= at else (None, override.start)
        above.append(Duty(None, edges[0], edges[1], Why.NO_MEMBERS))
    for layer in reversed(rotation.layers):
        duty = _layer_at(layer, at)
        if duty.person:
            return _cut(duty, above)
        above.append(duty)
    return _cut(above[-1], above) if above else Duty(None, None, None, Why.NO_MEMBERS)


def _of_override(override: Override) -> Duty:
    if override.id < 0:
        return Duty(override.person, override.start, override.end, Why.CALENDAR, "calendar", override.start)
    return Duty(override.person, override.start, override.end, Why.OVERRIDE, override=override.id)


def _cut(duty: Duty, above: Sequence[Duty]) -> Duty:
    since = max((one.since for one in [duty, *above] if one.since), default=None)
    until = min((one.until for one in [duty, *above] if one.until), default=None)
    return replace(duty, since=since, until=until)


def _layer_at(layer: Layer, at: datetime) -> Duty:
    turn = turn_at(layer, at)
    if not layer.hours:
        return _of_turn(layer, turn)
    spans = [span for rule in layer.hours for span in spans_near(rule, at)]
    in_force = any(start <= at < end for start, end in spans)
    duty = _of_turn(layer, turn) if in_force else Duty(None, turn.start, turn.end, Why.OUTSIDE_HOURS)
    # `spans` has the hours near this local day only, so the answer holds no longer than the day.
    edges = [*_ends_of_day(layer, at), *(edge for span in spans for edge in span)]
    return replace(
        duty,
        since=max([edge for edge in [duty.since, *edges] if edge and edge <= at], default=None),
        until=min([edge for edge in [duty.until, *edges] if edge and edge > at], default=None),
    )


def _of_turn(layer: Layer, turn: Turn) -> Duty:
    if turn.person:
        return Duty(turn.person, turn.start, turn.end, Why.SHIFT, layer.name, turn.start)
    if turn.person == "":
        return Duty(None, turn.start, turn.end, Why.EMPTY_SEAT)
    return Duty(None, turn.start, turn.end, Why.NO_MEMBERS if turn.start else Why.NOT_STARTED)


def _ends_of_day(layer: Layer, at: datetime) -> Iterator[datetime]:
    tz = zone(layer.tz)
    today = at.astimezone(tz).date()
    for day in (today, today + timedelta(days=1)):
        yield datetime.combine(day, time(0), tz).astimezone(UTC)
