"""Who is on call, and why: complete and disjoint whatever the clocks, the layers and the overrides do."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from notifier.judge.oncall.rota import Shift, Why, gaps, person_at, shifts, who
from notifier.judge.oncall.rotation import Member, Override, Rotation, Slot
from tests.notifier.oncall.rotations import DAILY, ZONES, instants, layer, overrides, rotation, rotations, utc

FIVE_YEARS = (utc("2026-01-01 00:00"), utc("2031-01-01 00:00"))


@cache
def changes_of(tz: str) -> list[datetime]:
    """Every moment of the five years at which this zone's clocks change."""
    zone, at, found = ZoneInfo(tz), FIVE_YEARS[0], []
    while at < FIVE_YEARS[1]:
        after = at + timedelta(hours=1)
        if at.astimezone(zone).utcoffset() != after.astimezone(zone).utcoffset():
            found.append(after)
        at = after
    return found


def assert_complete(found: Sequence[Shift], begin: datetime, end: datetime) -> None:
    assert (found[0].start, found[-1].end) == (begin, end)
    for one, following in pairwise(found):
        assert one.start < one.end == following.start


@pytest.mark.parametrize("tz", ZONES)
@pytest.mark.parametrize("at", [time(0), time(1, 30), time(2, 30), time(3), time(9)])
def test_five_years_are_covered_without_gap_or_overlap(tz: str, at: time) -> None:
    one = layer("ann", "ben", "cem", tz=tz, handovers=tuple(Slot(day, at) for day in range(7)))
    begin, end = utc("2026-01-06 12:00"), FIVE_YEARS[1]
    found = shifts(rotation(one), [], begin, end)
    assert_complete(found, begin, end)
    assert all(shift.person for shift in found)
    people = [shift.person for shift in found]
    assert all(people[index] == people[index + 3] != people[index + 1] for index in range(len(people) - 3))
    for change in changes_of(tz):
        for off in range(-180, 181, 30):
            moment = change + timedelta(minutes=off)
            on = [shift.person for shift in found if shift.start <= moment < shift.end]
            assert [who(rotation(one), [], moment).person] == on


@settings(max_examples=30)
@given(rotations, overrides(), instants, st.timedeltas(timedelta(minutes=1), timedelta(days=20)))
def test_cover_is_complete_and_disjoint_and_says_what_who_says(
    made: Rotation, taken: list[Override], begin: datetime, lasting: timedelta
) -> None:
    found = shifts(made, taken, begin, begin + lasting)
    assert_complete(found, begin, begin + lasting)
    for one in found:
        for at in (one.start, one.start + (one.end - one.start) / 2, one.end - timedelta(microseconds=1)):
            duty = who(made, taken, at)
            assert (duty.person, duty.override) == (one.person, one.override)
            assert duty.since is None or duty.since <= at
            assert duty.until is None or at < duty.until


@settings(max_examples=30)
@given(rotations, overrides(), instants)
def test_since_and_until_are_where_somebody_else_comes(made: Rotation, taken: list[Override], at: datetime) -> None:
    duty = who(made, taken, at)
    if duty.until:
        assert not who(made, taken, duty.until).is_one_with(duty)
    if duty.since:
        assert not who(made, taken, duty.since - timedelta(microseconds=1)).is_one_with(duty)


@settings(max_examples=30)
@given(rotations, overrides(), instants)
def test_the_override_that_was_made_last_counts(made: Rotation, taken: list[Override], at: datetime) -> None:
    over = [one for one in taken if one.start <= at < one.end]
    duty = who(made, taken, at)
    if over:
        assert (duty.why, duty.override, duty.person) == (Why.OVERRIDE, over[-1].id, over[-1].person)
    else:
        assert (duty.person, duty.why) == (who(made, [], at).person, who(made, [], at).why)


@settings(max_examples=30)
@given(rotations, instants)
def test_the_last_layer_that_has_somebody_counts(made: Rotation, at: datetime) -> None:
    alone = [person_at(Rotation("payments", "UTC", (one,)), [], at) for one in made.layers]
    assert (
        who(made, [], at).person
        == person_at(made, [], at)
        == next((person for person in reversed(alone) if person), None)
    )


# Each is the shift that contains the change of the clocks, in UTC, as it was looked up in the zone's own rules.
CHANGES = [
    # Handover at 02:30: skipped in Berlin on 29 March, so an hour later on the clock; twice on 25 October, the first.
    ("Europe/Berlin", time(2, 30), "2026-03-29 01:30", "2026-03-30 00:30"),
    ("Europe/Berlin", time(2, 30), "2026-10-25 00:30", "2026-10-26 01:30"),
    ("Europe/Berlin", time(9), "2026-03-28 08:00", "2026-03-29 07:00"),  # 23 hours
    ("Europe/Berlin", time(9), "2026-10-24 07:00", "2026-10-25 08:00"),  # 25 hours
    ("America/New_York", time(2), "2026-03-08 07:00", "2026-03-09 06:00"),
    ("America/New_York", time(1, 30), "2026-11-01 05:30", "2026-11-02 06:30"),
    ("America/New_York", time(9), "2027-03-13 14:00", "2027-03-14 13:00"),
    # Midnight itself is skipped in Santiago, and there are two 23:30 in autumn.
    ("America/Santiago", time(0), "2026-09-06 04:00", "2026-09-07 03:00"),
    ("America/Santiago", time(23, 30), "2026-04-05 02:30", "2026-04-06 03:30"),
    # Half an hour in Lord Howe.
    ("Australia/Lord_Howe", time(2), "2026-10-03 15:30", "2026-10-04 15:00"),
    ("Australia/Lord_Howe", time(9), "2026-04-03 22:00", "2026-04-04 22:30"),
    ("Asia/Kolkata", time(9), "2026-03-29 03:30", "2026-03-30 03:30"),
    # Casablanca goes back for Ramadan and forward after it.
    ("Africa/Casablanca", time(9), "2026-02-14 08:00", "2026-02-15 09:00"),
    ("Africa/Casablanca", time(9), "2026-03-21 09:00", "2026-03-22 08:00"),
]


@pytest.mark.parametrize(("tz", "at", "start", "end"), CHANGES)
def test_the_shifts_of_the_days_on_which_clocks_change(tz: str, at: time, start: str, end: str) -> None:
    one = layer("ann", "ben", tz=tz, handovers=tuple(Slot(day, at) for day in range(7)))
    duty = who(rotation(one), [], utc(start))
    assert (duty.since, duty.until) == (utc(start), utc(end))


def test_two_handovers_of_which_the_clocks_skip_one_leave_no_moment_uncovered() -> None:
    one = layer("ann", "ben", "cem", handovers=(Slot(6, time(2, 30)), Slot(6, time(3))))
    # 02:30 happens at 03:30, after the handover of 03:00: its shift has no time, and the one before it ends there.
    before = who(rotation(one), [], utc("2026-03-29 01:15"))
    after = who(rotation(one), [], utc("2026-03-29 01:30"))
    assert before.until == after.since == utc("2026-03-29 01:30")
    assert before.person != after.person


def test_a_zone_far_from_utc_with_weekdays_alone_never_has_two_people() -> None:
    made = rotation(
        layer("ann", "ben", tz="Asia/Kolkata", handovers=DAILY, hours=("Mon-Fri 00:00-24:00",)), tz="Asia/Kolkata"
    )
    friday = utc("2026-01-09 18:29")  # one minute before midnight in Kolkata
    assert who(made, [], friday).person is not None
    assert who(made, [], friday + timedelta(minutes=1)).why is Why.OUTSIDE_HOURS


def test_a_night_layer_goes_over_the_one_below_and_the_shift_below_goes_on_after_it() -> None:
    below = layer("ann", "ben")
    night = layer("nia", name="night", hours=("22:00-06:00",))
    found = shifts(rotation(below, night), [], utc("2026-01-05 08:00"), utc("2026-01-07 08:00"))
    assert [(one.person, f"{one.start:%d %H:%M}") for one in found] == [
        ("ann", "05 08:00"),
        ("nia", "05 21:00"),
        ("ann", "06 05:00"),
        ("nia", "06 21:00"),
        ("ann", "07 05:00"),
    ]


@pytest.mark.parametrize(
    ("members", "at", "why"),
    [
        ((Member("ann"),), "2026-01-05 07:59", Why.NOT_STARTED),
        ((Member(""),), "2026-01-05 08:00", Why.EMPTY_SEAT),
        ((Member("ann", until=utc("2026-01-06").date()),), "2026-01-12 08:00", Why.NO_MEMBERS),
    ],
)
def test_nobody_is_on_call_for_a_reason(members: tuple[Member, ...], at: str, why: Why) -> None:
    duty = who(rotation(layer(*members)), [], utc(at))
    assert (duty.person, duty.why) == (None, why)


def test_a_gap_is_one_whatever_its_reasons_are() -> None:
    one = layer("ann", "", Member("ben", since=utc("2026-02-09").date()))
    assert [(gap.start, gap.end) for gap in gaps(rotation(one), [], utc("2025-12-29"), utc("2026-01-20"))] == [
        (utc("2025-12-29"), utc("2026-01-05 08:00")),
        (utc("2026-01-12 08:00"), utc("2026-01-19 08:00")),
    ]


def test_a_gap_without_an_end_has_none() -> None:
    one = layer(Member("ann", until=utc("2026-01-05").date()))
    assert who(rotation(one), [], utc("2026-02-01")).until is None


@pytest.mark.parametrize(
    "at", [utc("2026-01-01").replace(tzinfo=None), datetime(1969, 1, 1, tzinfo=UTC), datetime.max.replace(tzinfo=UTC)]
)
def test_a_time_that_is_no_instant_or_too_far_is_refused(at: datetime) -> None:
    with pytest.raises(ValueError, match=r"zone|1970"):
        who(rotation(layer("ann")), [], at)
