"""A calendar that others keep -> shifts of people, and what names nobody. Pure, but for the library that it loads.

recurring-ical-events is LGPL, so it is an extra that is loaded when it is needed. Of the two libraries it is the one
that reads all of tests/notifier/oncall/calendars: the other refuses a whole calendar for one bad date, knows Windows'
zone names only with their VTIMEZONE, and moves one event where THISANDFUTURE moves the rest.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from notifier.judge.oncall.people import Person

MOST_EVENTS = 5000
SHOWN = 80  # characters of what names nobody
_MAIL = re.compile(r"[^\s:;<>]+@[^\s:;<>]+")


@dataclass(frozen=True, slots=True)
class Read:
    """`unknown` has what events say whose person is not known, each once."""

    shifts: tuple[tuple[datetime, datetime, str], ...]
    unknown: tuple[str, ...]


def read(text: bytes, tz: str, people: Collection[Person], start: datetime, end: datetime) -> Read:
    """The shifts of a time, in order. Days without a time are local ones of `tz`, and end before their DTEND.

    Raises ValueError, in words that repeat nothing of it, for what is no calendar, or has too many events.
    """
    shifts, unknown = [], dict[str, None]()
    for event in _events(text, start, end):
        begin, finish = _instant(event.start, tz), _instant(event.end, tz)
        if str(event.get("STATUS", "")).upper() == "CANCELLED" or finish <= begin:
            continue
        person = _person(event, people)
        if person is None:
            unknown[str(event.get("SUMMARY", ""))[:SHOWN] or "(without a title)"] = None
        else:
            shifts.append((begin, finish, person.key))
    return Read(tuple(sorted(shifts)), tuple(sorted(unknown)))


def _events(text: bytes, start: datetime, end: datetime) -> list[Any]:
    import recurring_ical_events  # an extra
    from icalendar import Calendar

    try:
        calendar = Calendar.from_ical(text.decode("utf-8-sig", "replace"))
        found = recurring_ical_events.of(calendar, skip_bad_series=True)
        events = []
        for event in found.between(start, end):
            events.append(event)
            if len(events) > MOST_EVENTS:
                break
    except Exception as error:
        raise ValueError(f"it cannot be read as a calendar ({type(error).__name__})") from error
    if len(events) > MOST_EVENTS:
        raise ValueError(f"it has more than {MOST_EVENTS} events")
    return events


def _instant(at: date | datetime, tz: str) -> datetime:
    if not isinstance(at, datetime):
        at = datetime(at.year, at.month, at.day)  # noqa: DTZ001 - a local time, of which the next line makes an instant
    return (at if at.tzinfo else at.replace(tzinfo=ZoneInfo(tz))).astimezone(UTC)


def _person(event: Any, people: Collection[Person]) -> Person | None:
    """By the addresses in the event, else by the longest name or key that its title has as a word."""
    title = str(event.get("SUMMARY", ""))
    attendees = event.get("ATTENDEE", [])
    said = [title, *map(str, attendees if isinstance(attendees, list) else [attendees])]
    mails = {mail.lower() for text in said for mail in _MAIL.findall(text)}
    for person in people:
        if mails & {address.lower() for address in person.addresses.values()}:
            return person
    named = [(name, person) for person in people for name in (person.name, person.key) if _has(title, name)]
    return max(named, key=lambda one: len(one[0]))[1] if named else None


def _has(title: str, name: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", title, re.IGNORECASE) is not None


def window(now: datetime) -> tuple[datetime, datetime]:
    """What is read of a calendar: a month back, and a year ahead."""
    return now - timedelta(days=31), now + timedelta(days=366)
