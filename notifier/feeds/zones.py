"""A time zone as VTIMEZONE with yearly rules (RFC 5545, 3.6.5). Pure.

As rules, since Outlook ignores dates (RDATE). For a zone whose changes follow no yearly rule there is none, and its
times are written in UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from icalendar import Timezone, TimezoneDaylight, TimezoneStandard

_HOUR = timedelta(hours=1)
_DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_YEARS = 3  # the one before, which the first events may be in, this one, and the next


@dataclass(frozen=True, slots=True)
class Change:
    """A moment at which the clocks change, in the local time before it."""

    at: datetime
    before: timedelta
    after: timedelta
    name: str
    summer: bool

    @property
    def clock(self) -> tuple[time, timedelta, timedelta]:
        return self.at.time(), self.before, self.after

    def rules(self) -> set[tuple[int, int, str]]:
        """The rules that give this day: the month, the how many-th (-1: the last), the day of the week."""
        nth = (self.at.day - 1) // 7 + 1
        last = (self.at + timedelta(days=7)).month != self.at.month
        day = _DAYS[self.at.weekday()]
        return {(self.at.month, nth, day)} | ({(self.at.month, -1, day)} if last else set())


@lru_cache(maxsize=64)
def vtimezone(tz: str, year: int) -> Timezone | None:
    """The zone as it is from the year before to the year after; None when no yearly rule says it."""
    changes = [_changes(ZoneInfo(tz), one) for one in range(year - 1, year - 1 + _YEARS)]
    found = Timezone()
    found.add("tzid", tz)
    if not any(changes):
        start = datetime(year - 1, 1, 1, tzinfo=ZoneInfo(tz))
        never = Change(start, _offset(start), _offset(start), start.tzname() or tz, summer=False)
        found.add_component(_part(never, ""))
        return found
    if any(len(one) != len(changes[0]) for one in changes):
        return None
    for same in zip(*changes, strict=True):
        first = same[0]
        rules = set.intersection(*(one.rules() for one in same))
        if not rules or any(one.clock != first.clock for one in same):
            return None
        month, nth, day = min(rules, key=lambda rule: rule[1])  # the last one where it can be meant
        found.add_component(_part(first, f"FREQ=YEARLY;BYMONTH={month};BYDAY={nth}{day}"))
    return found


def _part(change: Change, rule: str) -> TimezoneStandard | TimezoneDaylight:
    part = TimezoneDaylight() if change.summer else TimezoneStandard()
    part.add("dtstart", change.at.replace(tzinfo=None))
    part.add("tzoffsetfrom", change.before)
    part.add("tzoffsetto", change.after)
    part.add("tzname", change.name)
    if rule:
        part.add("rrule", dict(one.split("=", 1) for one in rule.split(";")))
    return part


def _changes(tz: ZoneInfo, year: int) -> list[Change]:
    """The changes of a local year, each found to the minute."""
    at, end = datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)
    found = []
    while at < end:
        after = at + _HOUR
        if _offset(at.astimezone(tz)) != _offset(after.astimezone(tz)):
            found.append(_change(at, tz))
        at = after
    return found


def _change(at: datetime, tz: ZoneInfo) -> Change:
    before = at.astimezone(tz)
    minutes = (at + timedelta(minutes=number) for number in range(1, 61))
    minute = next(one for one in minutes if _offset(one.astimezone(tz)) != _offset(before))
    after = minute.astimezone(tz)
    return Change(
        at=(minute + _offset(before)).replace(tzinfo=None),
        before=_offset(before),
        after=_offset(after),
        name=after.tzname() or "",
        summer=bool(after.dst()),
    )


def _offset(local: datetime) -> timedelta:
    return local.utcoffset() or timedelta(0)
