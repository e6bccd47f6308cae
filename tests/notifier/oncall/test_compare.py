from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

from hypothesis import given, settings

from notifier.judge.oncall.compare import changes, shares
from notifier.judge.oncall.rota import person_at, shifts
from notifier.judge.oncall.rotation import Rotation
from tests.notifier.oncall.rotations import layer, rotation, rotations, utc

BEGIN, END = utc("2026-03-15"), utc("2026-04-15")


def test_a_share_counts_local_weekends_over_a_change_of_the_clocks() -> None:
    found = shifts(rotation(layer("ann", "ben")), [], utc("2026-03-23 08:00"), utc("2026-03-30 07:00"))
    share, idle = shares(found, ["ann", "ben"], "Europe/Berlin")
    assert (share.shifts, share.total, share.weekend) == (1, timedelta(hours=167), timedelta(hours=47))
    assert (idle.shifts, idle.total, idle.weekend) == (0, timedelta(0), timedelta(0))


@given(rotations)
@settings(max_examples=25)
def test_shares_and_gaps_are_all_of_the_time(made: Rotation) -> None:
    found = shifts(made, [], BEGIN, END)
    nobody = sum((shift.lasting for shift in found if shift.person is None), timedelta())
    assert sum((share.total for share in shares(found, made.people, made.tz)), nobody) == END - BEGIN


@given(rotations, rotations)
@settings(max_examples=25)
def test_changes_are_exactly_where_the_two_say_different_people(one: Rotation, other: Rotation) -> None:
    old, new = shifts(one, [], BEGIN, END), shifts(other, [], BEGIN, END)
    found = changes(old, new)
    assert all(first.end <= second.start for first, second in pairwise(found))
    for shift in (*old, *new):
        before, after = person_at(one, [], shift.start), person_at(other, [], shift.start)
        said = [(change.before, change.after) for change in found if change.start <= shift.start < change.end]
        assert said == ([(before, after)] if before != after else [])
