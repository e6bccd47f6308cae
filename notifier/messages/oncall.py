"""Sentences on who is on call, the same in commands, the admin, answers and messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from notifier.judge.oncall.compare import Change, Share
from notifier.judge.oncall.coverage import Hole, when
from notifier.judge.oncall.people import Person
from notifier.judge.oncall.rota import Duty, Shift, Why
from notifier.judge.oncall.rotation import Rotation
from notifier.judge.policy import Policy
from notifier.messages.wording import clock, counted, span
from notifier.models import Override

NOBODY = "nobody"
_WHY = {
    Why.EMPTY_SEAT: "the turn is of an empty seat",
    Why.OUTSIDE_HOURS: "no layer is in force at this hour",
    Why.NOT_STARTED: "the rotation has not started",
    Why.NO_MEMBERS: "no member has a seat on this day",
}


def name_of(person: str | None, people: Mapping[str, Person]) -> str:
    """The name of a person in PEOPLE, or the key if they are no longer there."""
    if not person:
        return NOBODY
    return people[person].name if person in people else f"{person} (not in PEOPLE)"


def on_call(rotation: str, duty: Duty, people: Mapping[str, Person], now: datetime, tz: str) -> str:
    """ "payments: Alice is on call until Mon 12 Jan 09:00 CET (shift of layer 1, since Mon 5 Jan 09:00 CET)" """
    until = f" until {clock(duty.until, now, tz)}" if duty.until else ""
    since = f", since {clock(duty.since, now, tz)}" if duty.since else ""
    return f"{rotation}: {name_of(duty.person, people)} is on call{until} ({because(duty)}{since})"


def because(duty: Duty | Shift) -> str:
    if duty.why is Why.OVERRIDE:
        return f"override {duty.override}" if duty.override else "an override"
    if duty.why is Why.CALENDAR:
        return "its calendar"
    return _WHY.get(duty.why, f"shift of {duty.layer}")


def shift_line(shift: Shift, people: Mapping[str, Person], now: datetime, tz: str) -> str:
    """ "Mon 5 Jan 09:00 CET to Mon 12 Jan 09:00: Alice (shift of layer 1)" """
    start, end = span(shift.start, shift.end, now, tz)
    return f"{start} to {end}: {name_of(shift.person, people)} ({because(shift)})"


def change_line(change: Change, people: Mapping[str, Person], now: datetime, tz: str) -> str:
    """ "Mon 5 Jan 09:00 CET to Mon 12 Jan 09:00: Bob instead of Alice" """
    start, end = span(change.start, change.end, now, tz)
    return f"{start} to {end}: {name_of(change.after, people)} instead of {name_of(change.before, people)}"


def fairness(found: Iterable[Share], people: Mapping[str, Person]) -> str:
    """ "Alice 336 h in 2 shifts, 96 h of it at weekends; Bob 336 h in 2 shifts, 96 h of it at weekends" """
    return "; ".join(
        f"{name_of(share.person, people)} {_hours(share.total)} in {counted(share.shifts, 'shift')}"
        + (f", {_hours(share.weekend)} of it at weekends" if share.weekend else "")
        for share in found
    )


def _hours(duration: timedelta) -> str:
    return f"{duration / timedelta(hours=1):,.1f}".removesuffix(".0") + " h"


def hole(found: Hole, rotation: Rotation, policy: Policy) -> str:
    """ "Nobody is on call for payments Sat 28 Nov 20:00 to Sun 29 Nov 10:00 CET" """
    time = when(found, rotation.tz)
    if found.person is None:
        return f"Nobody is on call for {rotation.name} {time}"
    channels = " and ".join(found.channels)
    return f"{name_of(found.person, policy.people)}, on call for {rotation.name} {time}, is not reached on {channels}"


def taken(row: Override, policy: Policy, now: datetime) -> str:
    """ "Bob is on call for payments from Mon 5 Jan 18:00 CET to 22:00 (Europe/Berlin), instead of Alice." """
    instead = f", instead of {name_of(row.instead_of, policy.people)}" if row.instead_of not in {"", row.person} else ""
    return f"{name_of(row.person, policy.people)} is on call for {row.rotation} {_period(row, policy, now)}{instead}."


def undone(row: Override, policy: Policy, now: datetime) -> str:
    """ "Undone by alice: Bob does not take payments over from Mon 5 Jan 18:00 CET to 22:00 (Europe/Berlin)." """
    who = f"{name_of(row.person, policy.people)} does not take {row.rotation} over"
    return f"Undone by {row.undone_by}: {who} {_period(row, policy, now)}."


def _period(row: Override, policy: Policy, now: datetime) -> str:
    tz = policy.rotations[row.rotation].tz if row.rotation in policy.rotations else policy.tz
    begins, ends = span(row.starts_at, row.ends_at, now, tz)
    return f"from {begins} to {ends} ({tz})"
