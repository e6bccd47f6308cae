"""A calendar -> shifts of people, and titles of events whose person is not known. Pure.

recurring-ical-events is LGPL and so an extra, imported when it is needed. It reads all of
tests/notifier/oncall/calendars. The other such library refuses a whole calendar for one bad date, knows the zone names
of Windows only together with their VTIMEZONE, and moves one event where THISANDFUTURE moves all that follow.
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
    """The shifts as (start, end, person's key); and the titles of events whose person is not known, each once."""

    shifts: tuple[tuple[datetime, datetime, str], ...]
    unknown: tuple[str, ...]


def read(text: bytes, tz: str, people: Collection[Person], start: datetime, end: datetime) -> Read:
    """The shifts between two times, in order. Whole days are local ones of `tz`, without the day of DTEND.

    Raises ValueError, in words that quote nothing of the text, when it is no calendar, or has too many events.
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
    """The person by an email address in the event; else by the longest name or key that is a word of its title."""
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
