"""A rotation as iCalendar (RFC 5545): a month back and a year ahead, in the rotation's zone, shown as free time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from icalendar import Calendar, Event, vDuration

from notifier.feeds.zones import vtimezone
from notifier.judge.oncall.rota import Shift
from notifier.judge.oncall.rotation import Rotation
from notifier.judge.policy import Policy
from notifier.messages.oncall import because, name_of
from notifier.oncall.duty import duty_at, shifts_between

BACK, AHEAD = timedelta(days=31), timedelta(days=366)
LOOK_AGAIN = timedelta(hours=1)  # how often a subscriber should ask


def feed(rotation: Rotation, person: str, policy: Policy, now: datetime) -> bytes:
    """The shifts of a person, or of everybody when `person` is "". The first and the last are not cut."""
    zone = vtimezone(rotation.tz, now.year)
    calendar = _head(rotation, person, policy)
    if zone is not None:
        calendar.add_component(zone)
    start = duty_at(rotation, now - BACK).since or now - BACK
    end = duty_at(rotation, now + AHEAD).until or now + AHEAD
    for shift in shifts_between(rotation, start, end, now):
        if shift.person and (not person or shift.person == person):
            calendar.add_component(_event(shift, rotation, policy, now, local=zone is not None))
    return bytes(calendar.to_ical())


def _head(rotation: Rotation, person: str, policy: Policy) -> Calendar:
    whose = f", {name_of(person, policy.people)}" if person else ""
    calendar = Calendar()
    calendar.add("prodid", "-//stripe-webhook-alerts//on call//EN")
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    calendar.add("x-wr-calname", f"On call: {rotation.name}{whose}")
    calendar.add("x-wr-timezone", rotation.tz)
    calendar.add("refresh-interval", vDuration(LOOK_AGAIN), parameters={"value": "DURATION"})
    calendar.add("x-published-ttl", vDuration(LOOK_AGAIN))
    return calendar


def _event(shift: Shift, rotation: Rotation, policy: Policy, now: datetime, *, local: bool) -> Event:
    event = Event()
    event.add("uid", f"{rotation.name}-{shift.start:%Y%m%dT%H%M%S}Z@on-call")
    event.add("dtstamp", now.astimezone(UTC).replace(microsecond=0))
    event.add("dtstart", _time(shift.start, rotation.tz, local=local))
    event.add("dtend", _time(shift.end, rotation.tz, local=local))
    event.add("summary", f"{name_of(shift.person, policy.people)} is on call for {rotation.name}")
    event.add("description", because(shift))
    event.add("transp", "TRANSPARENT")
    event.add("x-microsoft-cdo-busystatus", "FREE")
    return event


def _time(at: datetime, tz: str, *, local: bool) -> datetime:
    """The time in the zone; in UTC in the second of an hour that happens twice, where readers would take the first."""
    here = at.astimezone(ZoneInfo(tz))
    return here if local and here.fold == 0 else at.astimezone(UTC)
