"""Whose turn it is, against a plain walk from the first handover to the last."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import accumulate, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from notifier.judge.oncall.rota import shifts
from notifier.judge.oncall.rotation import Layer, Member, Slot
from notifier.judge.oncall.turns import turn_at
from tests.notifier.oncall.rotations import DAILY, layer, layers, rotation, utc


def people_on(one: Layer, first: str, number: int, step: timedelta = timedelta(weeks=1)) -> list[str | None]:
    return [turn_at(one, utc(first) + step * count).person for count in range(number)]


def walked(one: Layer, until: date) -> Iterator[tuple[datetime, str | None]]:
    """Handover by handover, in local time: the slow way, which is easy to believe."""
    monday = one.start - timedelta(days=one.start.weekday())
    last = -1
    while monday < until:
        for slot in one.handovers:
            day = monday + timedelta(days=slot.weekday)
            if day < one.start:
                continue
            seats = [number for number, member in enumerate(one.members) if member.sits_on(day)]
            last = next((seat for seat in seats if seat > last), seats[0]) if seats else last
            instant = datetime.combine(day, slot.at, ZoneInfo(one.tz)).astimezone(UTC)
            yield instant, one.members[last].person if seats else None
        monday += timedelta(weeks=one.every)


@settings(max_examples=30)
@given(layers())
def test_the_reckoned_turn_is_the_one_that_a_walk_finds(one: Layer) -> None:
    plain = replace(one, hours=())
    handovers = list(walked(plain, date(2026, 8, 1)))
    begins = accumulate((instant for instant, _ in handovers), max)  # the clocks may skip one past the next
    for (start, (_, person)), (end, _) in pairwise(zip(begins, handovers, strict=True)):
        if start < end:
            assert turn_at(plain, start).person == person
            assert turn_at(plain, end - timedelta(microseconds=1)).person == person


@settings(max_examples=30)
@given(layers(), st.sampled_from(["new", ""]), st.dates(date(2026, 1, 1), date(2026, 9, 1)), st.integers(0, 6))
def test_a_new_seat_moves_nobody_before_its_date(one: Layer, person: str, since: date, place: int) -> None:
    seats = [*one.members[:place], Member(person, since), *one.members[place:]]
    more = replace(one, members=tuple(seats))
    end = datetime.combine(since, time(0), ZoneInfo(one.tz)).astimezone(UTC)
    begin = utc("2025-12-20")
    if begin < end:
        assert shifts(rotation(more), [], begin, end) == shifts(rotation(one), [], begin, end)


@settings(max_examples=30)
@given(layers(), st.dates(date(2026, 1, 1), date(2026, 9, 1)), st.integers(0, 5))
def test_a_seat_that_ends_moves_nobody_before_its_end(one: Layer, until: date, place: int) -> None:
    seats = list(one.members)
    seat = seats[place % len(seats)]
    seats[place % len(seats)] = replace(seat, until=min(until, seat.until or until))
    fewer = replace(one, members=tuple(seats))
    last_day = min(until, seat.until or until)
    end = datetime.combine(last_day + timedelta(days=1), time(0), ZoneInfo(one.tz)).astimezone(UTC)
    begin = utc("2025-12-20")
    if begin < end:
        assert shifts(rotation(fewer), [], begin, end) == shifts(rotation(one), [], begin, end)


def test_seats_take_turns_in_their_order() -> None:
    assert people_on(layer("ann", "ben", "cem"), "2026-01-05 12:00", 4) == ["ann", "ben", "cem", "ann"]


def test_an_empty_seat_takes_its_turn() -> None:
    assert people_on(layer("ann", "", "cem"), "2026-01-05 12:00", 4) == ["ann", "", "cem", "ann"]


def test_who_joins_later_comes_after_the_one_before_them_in_the_list() -> None:
    joined = layer("ann", Member("ben", since=date(2026, 1, 19)), "cem")
    assert people_on(joined, "2026-01-05 12:00", 6) == ["ann", "cem", "ann", "ben", "cem", "ann"]


def test_who_leaves_is_followed_by_the_next() -> None:
    left = layer("ann", Member("ben", until=date(2026, 1, 12)), "cem")
    assert people_on(left, "2026-01-05 12:00", 5) == ["ann", "ben", "cem", "ann", "cem"]


def test_nobody_is_on_before_the_first_handover_or_without_a_seat() -> None:
    one = layer(Member("ann", until=date(2026, 1, 12)))
    assert turn_at(one, utc("2026-01-05 07:59")).person is None
    assert turn_at(one, utc("2026-01-05 07:59")).end == utc("2026-01-05 08:00")
    assert people_on(one, "2026-01-05 12:00", 3) == ["ann", "ann", None]


def test_two_handovers_in_a_week_make_turns_of_four_and_three_days() -> None:
    one = layer("ann", "ben", "cem", handovers=(Slot(0, time(9)), Slot(4, time(9))))
    found = [(turn_at(one, utc(day)).person) for day in ("2026-01-05 12:00", "2026-01-09 12:00", "2026-01-12 12:00")]
    assert found == ["ann", "ben", "cem"]


def test_handovers_every_second_week_count_from_the_week_of_the_start() -> None:
    one = layer("ann", "ben", every=2, start=date(2026, 1, 7), handovers=(Slot(2, time(9)),))
    assert people_on(one, "2026-01-07 12:00", 6) == ["ann", "ann", "ben", "ben", "ann", "ann"]


def test_a_start_after_the_weeks_handover_waits_for_the_next_one() -> None:
    one = layer("ann", "ben", every=2, start=date(2026, 1, 8), handovers=(Slot(2, time(9)),))
    assert turn_at(one, utc("2026-01-15 12:00")).end == utc("2026-01-21 08:00")
    assert turn_at(one, utc("2026-01-21 08:00")).person == "ann"


@pytest.mark.parametrize(
    ("days_off_take_turn", "fewest", "most"),
    # 14 people and 7 days: each has the same day of every second week, and four of them have days off alone.
    [(True, 0, 26), (False, 18, 19)],
)
def test_whether_days_off_take_a_turn_decides_who_is_starved(days_off_take_turn: bool, fewest: int, most: int) -> None:
    one = layer(
        *map(str, range(14)),
        handovers=tuple(Slot(day, time(0)) for day in range(7)),
        hours=("Mon-Fri 00:00-24:00",),
        days_off_take_turn=days_off_take_turn,
    )
    found = shifts(rotation(one), [], utc("2026-01-04 23:00"), utc("2027-01-03 23:00"))
    counts = [len({shift.start.date() for shift in found if shift.person == str(number)}) for number in range(14)]
    assert (min(counts), max(counts)) == (fewest, most)


@pytest.mark.parametrize("handovers", [(), (Slot(4, time(9)), Slot(0, time(9))), (Slot(0, time(9)), Slot(0, time(9)))])
def test_a_layer_refuses_handovers_that_are_none_or_not_in_order(handovers: tuple[Slot, ...]) -> None:
    with pytest.raises(ValueError, match="handovers"):
        layer("ann", handovers=handovers)


def test_a_rotation_that_is_old_is_answered_as_fast() -> None:
    one = layer("ann", "ben", handovers=DAILY, start=date(1970, 1, 5))
    assert turn_at(one, utc("9000-01-01 12:00")).person in {"ann", "ben"}
