"""Quiet hours and digest periods in their time zones. Pure.

Rules are written in local time, answers are instants in UTC. Twice a year a local time does not exist or
happens twice. One that does not exist is moved forward by the hour that was skipped (02:30 becomes 03:30), as
in RFC 5545, 3.3.5. Of one that happens twice the first is meant, except as the end of quiet hours, where it
is the last: who asked for quiet until 02:30 is not woken an hour early.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from dateutil.rrule import DAILY, HOURLY, MONTHLY, WEEKLY, rrule

Every = Literal["hour", "day", "week", "month"]

_DAY = timedelta(days=1)
_SEARCH = timedelta(days=8)  # a week of rules and a day more, so that every rule is seen
_MIDNIGHT = time(0)


def zone(name: str) -> ZoneInfo:
    """The time zone of that name. Raises ValueError, whose text can be shown and does not repeat the name."""
    try:
        return ZoneInfo(name)
    # ZoneInfoNotFoundError is a KeyError; names that are paths or folders raise the others.
    except (KeyError, ValueError, OSError):
        raise ValueError('not a known time zone: write its IANA name, such as "Europe/Berlin"') from None


def _first(local: datetime, tz: ZoneInfo) -> datetime:
    """The instant of a naive local time: moved forward if it does not exist, the first if it happens twice."""
    return local.replace(tzinfo=tz, fold=0).astimezone(UTC)


def _second(local: datetime, tz: ZoneInfo) -> datetime:
    """The instant of a naive local time: moved backward if it does not exist, the second if it happens twice."""
    return local.replace(tzinfo=tz, fold=1).astimezone(UTC)


# --- quiet hours


@dataclass(frozen=True, slots=True)
class QuietHours:
    """A time of day on some days of the week during which nobody wants to be disturbed.

    It begins on each of `days` at `start` and ends at the next `end`, which is no longer quiet: the next day
    when `end` is not later than `start`, so that equal times mean 24 hours.
    """

    days: frozenset[int]  # 0 is Monday
    start: time
    end: time
    tz: str

    def __post_init__(self) -> None:
        zone(self.tz)


def quiet_until(rules: Sequence[QuietHours], now: datetime) -> datetime | None:
    """When quiet ends, in UTC, or None when it is not quiet at `now`.

    Rules that follow on each other without a gap are one quiet time. Looks eight days ahead; when quiet does
    not end within them the answer is the end of the search, and the question is to be asked again then.
    """
    instant = now.astimezone(UTC)
    limit = instant + _SEARCH
    until = instant
    while until < limit:
        ends = [end for rule in rules for start, end in spans_near(rule, until) if start <= until < end]
        if not ends:
            break
        until = max(ends)
    return min(until, limit) if until > instant else None


def spans_near(rule: QuietHours, instant: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The rule's quiet times that `instant` can lie in: none lasts longer than a day and an hour."""
    tz = zone(rule.tz)
    today = instant.astimezone(tz).date()
    for day in (today - 2 * _DAY, today - _DAY, today):
        if day.weekday() in rule.days:
            begin = datetime.combine(day, rule.start)
            finish = datetime.combine(day if rule.end > rule.start else day + _DAY, rule.end)
            start, end = _first(begin, tz), max(_first(finish, tz), _second(finish, tz))
            # If all of it falls into the hour that is skipped, it lasts as long as on any other day.
            yield start, end if end > start else start + (finish - begin)


# --- digest periods


@dataclass(frozen=True, slots=True)
class Period:
    """The time that one digest covers: `start` <= t < `end`, both in UTC; `label` names it in local time."""

    start: datetime
    end: datetime
    label: str


def period_before(now: datetime, at: time, tz: str, every: Every, weekday: int = 0) -> Period:
    """The last complete period that ended at or before `now`.

    A day's period begins and ends at the local time `at`, a week's on `weekday` (0 is Monday), a month's on
    the 1st, and an hour's at the minute of `at`. Periods abut exactly: a day has 23 or 25 hours when clocks
    change. Every `now` up to the next boundary gets the same period, so (digest, target, period) is a stable
    key.
    """
    local_zone = zone(tz)
    end = max(b for b in _boundaries(now, at, local_zone, every, weekday) if b <= now)
    start = max(b for b in _boundaries(end, at, local_zone, every, weekday) if b < end)
    return Period(start, end, _label(start.astimezone(local_zone), end.astimezone(local_zone), every))


_FREQUENCY: dict[Every, Literal[1, 2, 3, 4]] = {
    "hour": HOURLY,
    "day": DAILY,
    "week": WEEKLY,
    "month": MONTHLY,
}
# Far enough to find a boundary on either side, also across a change of the clocks or a skipped date.
_REACH = {
    "hour": timedelta(hours=4),
    "day": timedelta(days=3),
    "week": timedelta(days=9),
    "month": timedelta(days=33),
}


def _boundaries(now: datetime, at: time, tz: ZoneInfo, every: Every, weekday: int) -> Iterator[datetime]:
    here = now.astimezone(tz).replace(tzinfo=None)
    begin = here - _REACH[every]
    begin = begin.replace(minute=at.minute) if every == "hour" else datetime.combine(begin, at)
    for local in rrule(
        _FREQUENCY[every],
        dtstart=begin.replace(second=0, microsecond=0),
        until=here + _REACH[every],
        byweekday=weekday if every == "week" else None,
        bymonthday=1 if every == "month" else None,
    ):
        yield _first(local, tz)
        if every == "hour":
            yield _second(local, tz)  # an hour that happens twice is two periods


_TO = "\N{EN DASH}"


def _label(start: datetime, end: datetime, every: Every) -> str:
    if every == "month":
        return f"{start:%B}"
    if every == "day":
        return _day_month(start)
    if every == "week":
        last = end - _DAY
        first = str(start.day) if start.month == last.month else _day_month(start)
        return f"{first}{_TO}{_day_month(last)}"
    changes = start.utcoffset() != end.utcoffset()
    return f"{_day_month(start)} {start:%H:%M}{f' {start:%Z}' if changes else ''}{_TO}{end:%H:%M %Z}"


def _day_month(day: date) -> str:
    return f"{day.day} {day:%b}"


# --- as written in settings

_DAY_NAMES = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_AT = re.compile(r"(\d{1,2}):(\d{2})", re.ASCII)
_AT_EXAMPLE = 'write hours and minutes of the 24-hour clock, such as "08:00"'
_QUIET_EXAMPLE = 'write days and times such as "Mon-Fri 22:00-07:00", "Sat,Sun 00:00-24:00" or "22:00-07:00"'


def parse_at(text: str) -> time:
    """The time of day that a text such as "08:00" stands for.

    Raises ValueError, whose text can be shown and does not repeat what was given.
    """
    found = _AT.fullmatch(text.strip())
    if not found:
        raise ValueError(f"not a time of day: {_AT_EXAMPLE}")
    hour, minute = int(found[1]), int(found[2])
    if hour > 23 or minute > 59:
        raise ValueError(f"there is no such time of day (00:00 to 23:59): {_AT_EXAMPLE}")
    return time(hour, minute)


def parse_quiet(text: str, tz: str = "UTC") -> QuietHours:
    """The quiet hours that a text such as "Mon-Fri 22:00-07:00" stands for; every day when it names none.

    Days are single, listed or a range, which may run over the weekend ("Fri-Mon"). Only as an end "24:00" is
    midnight. Raises ValueError, whose text can be shown and does not repeat what was given.
    """
    *days, hours = text.split() or [""]
    start, dash, end = hours.partition("-")
    if len(days) > 1 or not dash:
        raise ValueError(f"not quiet hours: {_QUIET_EXAMPLE}")
    return QuietHours(
        days=parse_days(days[0]) if days else frozenset(range(7)),
        start=parse_at(start),
        end=_MIDNIGHT if end == "24:00" else parse_at(end),
        tz=tz,
    )


def parse_days(text: str) -> frozenset[int]:
    days: set[int] = set()
    for part in text.lower().split(","):
        first, dash, last = part.partition("-")
        last = last if dash else first
        if first not in _DAY_NAMES or last not in _DAY_NAMES:
            raise ValueError(f"not a day of the week (Mon, Tue, Wed, Thu, Fri, Sat, Sun): {_QUIET_EXAMPLE}")
        begin, end = _DAY_NAMES.index(first), _DAY_NAMES.index(last)
        days.update((begin + n) % 7 for n in range((end - begin) % 7 + 1))
    return frozenset(days)
