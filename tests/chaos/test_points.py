"""The matrix proves something only while its kills happen: a name that is gone and a missing kill must show."""

from __future__ import annotations

import pytest

from tests.chaos import storm
from tests.chaos.audit import Count
from tests.chaos.faults.waits import WAITS
from tests.chaos.matrix import ROWS, Cell
from tests.chaos.points import POINTS, locate


@pytest.mark.parametrize("path", [*(point.path for point in POINTS.values()), *(wait.path for wait in WAITS)])
def test_what_the_faults_replace_is_there(path: str) -> None:
    owner, name = locate(path)
    assert hasattr(owner, name)


@pytest.mark.parametrize("path", ["notifier.outbox.starting.begin", "notifier.nowhere.start", "nowhere.at.all"])
def test_a_name_that_is_gone_is_an_error(path: str) -> None:
    with pytest.raises((AttributeError, ImportError)):
        locate(path)


def test_every_row_names_a_point_and_every_point_has_a_row() -> None:
    assert {row.point for row in ROWS} | {row.first for row in ROWS if row.first} == set(POINTS)


def test_a_kill_that_did_not_happen_breaks_its_row() -> None:
    once = next(row for row in ROWS if not row.first)
    twice = next(row for row in ROWS if row.first)
    assert Cell(once, "sqlite", kills=0, count=Count(doubled=once.repeats)).broken == ["killed 0 times"]
    assert Cell(twice, "sqlite", kills=1, count=Count(doubled=twice.repeats)).broken == ["killed 1 times"]
    assert not Cell(once, "sqlite", kills=1, count=Count(doubled=once.repeats)).broken


@pytest.mark.parametrize("loss", [{"events_lost": 1}, {"effects_doubled": 1}, {"alerts_lost": 1}, {"doubled": 1}])
def test_a_promise_that_is_broken_breaks_its_row(loss: dict[str, int]) -> None:
    row = next(row for row in ROWS if not row.repeats and not row.first)
    assert Cell(row, "sqlite", kills=1, count=Count(**loss)).broken  # type: ignore[arg-type]  # all are numbers


def test_a_repeat_has_to_be_marked() -> None:
    row = next(row for row in ROWS if row.repeats)
    assert Cell(row, "sqlite", kills=1, count=Count(doubled=1, unmarked=1)).broken == ["repeats not marked: 1"]


def test_a_seed_decides_the_faults_and_the_load() -> None:
    assert storm.schedule(7, 60, 6) == storm.schedule(7, 60, 6) != storm.schedule(8, 60, 6)
    assert storm.load(7, 60) == storm.load(7, 60) != storm.load(8, 60)
