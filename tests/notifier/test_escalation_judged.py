"""The pure part: whose level it is, when, and why."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.judge.escalation import Acknowledged, Level, Next, Reached, Step, Why, levels, next_level, take

T0 = datetime(2026, 11, 23, 2, 10, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
NONE = timedelta(0)


def at(minute: float) -> datetime:
    """Minutes after the first page."""
    return T0 + minute * MINUTE


def step(after: float, *to: str, last_resort: bool = False) -> Step:
    return Step(after * MINUTE, to, last_resort=last_resort)


def reached(level: int, minute: float) -> Reached:
    return Reached(level, at(minute))


def ack(from_: float, until: float) -> Acknowledged:
    return Acknowledged(at(from_), at(until))


STEPS = (step(10, "oncall2"), step(25, "lead", "slack"))
PLAN = levels(("oncall",), STEPS)


def shape(plan: tuple[Level, ...]) -> list[tuple[float, str]]:
    return [(level.at / MINUTE, "last resort" if level.last_resort else "+".join(level.to)) for level in plan]


@pytest.mark.parametrize(
    ("steps", "repeats", "expected"),
    [
        ((), 0, [(0, "oncall")]),
        ((), 3, [(0, "oncall")]),
        # who was told last has as long to answer as the one before
        ((step(10, "a"),), 0, [(0, "oncall"), (10, "a"), (20, "last resort")]),
        (STEPS, 0, [(0, "oncall"), (10, "oncall2"), (25, "lead+slack"), (40, "last resort")]),
        (
            STEPS,
            1,
            [
                (0, "oncall"), (10, "oncall2"), (25, "lead+slack"),
                (40, "oncall"), (50, "oncall2"), (65, "lead+slack"), (80, "last resort"),
            ],
        ),
        ((step(60, last_resort=True),), 2, [(0, "oncall"), (60, "last resort")]),
        ((step(10, "a"), step(60, last_resort=True)), 0, [(0, "oncall"), (10, "a"), (60, "last resort")]),
        # in the last of the rounds
        (
            (step(10, "a"), step(60, last_resort=True)),
            1,
            [(0, "oncall"), (10, "a"), (20, "oncall"), (30, "a"), (80, "last resort")],
        ),
    ],
)  # fmt: skip
def test_the_steps_of_a_route_in_order(
    steps: tuple[Step, ...], repeats: int, expected: list[tuple[float, str]]
) -> None:
    found = levels(("oncall",), steps, repeats)
    assert shape(found) == expected
    assert [level.number for level in found] == list(range(len(found)))


def test_all_steps_wait_for_the_first_page() -> None:
    assert [level.at / MINUTE for level in levels(("oncall",), STEPS, wait=2 * MINUTE)] == [0, 12, 27, 42]


@pytest.mark.parametrize(
    ("known", "acknowledged", "minute", "expected"),
    [
        (reached(0, 0), None, 0, (Why.UNANSWERED, 1, 10)),
        (reached(0, 0), None, 99, (Why.UNANSWERED, 1, 10)),  # overdue: the worker was away
        (reached(1, 10), None, 10, (Why.UNANSWERED, 2, 25)),
        (reached(1, 12), None, 12, (Why.UNANSWERED, 2, 27)),  # told late: the step has its whole time
        (reached(2, 25), None, 25, (Why.UNANSWERED, 3, 40)),
        (reached(3, 40), None, 40, (Why.DONE, None, None)),
        (reached(9, 40), None, 40, (Why.DONE, None, None)),  # the settings have fewer steps now
        # acknowledged after 4 minutes: 6 are left
        (reached(0, 0), ack(4, 60), 5, (Why.ACKNOWLEDGED, 1, 66)),
        (reached(0, 0), ack(4, 60), 59, (Why.ACKNOWLEDGED, 1, 66)),
        (reached(0, 0), ack(4, 60), 60, (Why.UNANSWERED, 1, 66)),
        (reached(0, 0), ack(4, 5), 5, (Why.UNANSWERED, 1, 11)),  # taken back after a minute
        (reached(1, 70), ack(4, 60), 70, (Why.UNANSWERED, 2, 85)),  # of the level before: no matter
        (reached(1, 10), ack(4, 60), 10, (Why.ACKNOWLEDGED, 2, 75)),  # it did not cover that level, and holds the next
        # acknowledged when the step was overdue
        (reached(0, 0), ack(12, 60), 13, (Why.ACKNOWLEDGED, 1, 60)),
        (reached(0, 0), ack(12, 60), 60, (Why.UNANSWERED, 1, 10)),
        (reached(0, 5), None, 0, (Why.UNANSWERED, 1, 10)),  # reached later than now, by a clock that was wrong
    ],
)
def test_what_comes_next(
    known: Reached, acknowledged: Acknowledged | None, minute: float, expected: tuple[Why, int | None, float | None]
) -> None:
    found = next_level(PLAN, known, at(minute), acknowledged=acknowledged)
    when = None if found.at is None else (found.at - T0) / MINUTE
    assert (found.why, found.level.number if found.level else None, when) == expected


def test_nothing_comes_when_it_is_over() -> None:
    assert next_level(PLAN, reached(0, 0), at(30), resolved=True) == Next(Why.OVER)


def never(_: Level) -> str:
    return ""


@pytest.mark.parametrize(
    ("nobody", "minute", "acknowledged", "taken", "next_at"),
    [
        ((), 9, None, [], 10),
        ((), 10, None, [1], 25),
        ((), 200, None, [1], 215),  # one at a time, however late: who is told has the time of their step
        ((1,), 9, None, [], 10),
        ((1,), 10, None, [1, 2], 25),  # on at once, and the next one's time begins now
        ((1, 2), 10, None, [1, 2, 3], None),  # nobody at all: the last resort hears at once
        ((1,), 10, ack(3, 60), [], 67),
    ],
)
def test_a_step_without_anybody_goes_on_at_once(
    nobody: tuple[int, ...], minute: float, acknowledged: Acknowledged | None, taken: list[int], next_at: float | None
) -> None:
    found, now_at, following = take(
        PLAN,
        reached(0, 0),
        at(minute),
        lambda level: "the rotation is empty" if level.number in nobody else "",
        acknowledged=acknowledged,
    )
    assert [one.level.number for one in found] == taken
    assert [one.level.number for one in found if one.nobody] == [n for n in taken if n in nobody]
    assert now_at == (reached(taken[-1], minute) if taken else reached(0, 0))
    assert (following.at and (following.at - T0) / MINUTE) == next_at


# --- what must always hold ------------------------------------------------------------------------------------------

MINUTES = st.integers(1, 40)
ROUTES = st.lists(MINUTES, min_size=1, max_size=4, unique=True).map(sorted)


def plan_of(minutes: list[int], repeats: int) -> tuple[Level, ...]:
    return levels(("first",), [step(after, f"step {after}") for after in minutes], repeats)


def told(
    plan: tuple[Level, ...], ticks: Iterator[float] | list[float], acks: list[Acknowledged], empty: frozenset[int]
) -> list[tuple[float, int, str]]:
    """When each level is taken by a worker that looks at these minutes and knows only what it wrote down."""
    heard: list[tuple[float, int, str]] = []
    stands = reached(0, 0)
    for minute in ticks:
        said = [one for one in acks if one.at <= at(minute)]
        found, stands, _ = take(
            plan,
            Reached(stands.level, stands.at),
            at(minute),
            lambda level: "nobody" if level.number in empty else "",
            acknowledged=max(said, key=lambda one: one.at) if said else None,
        )
        heard += [(minute, one.level.number, one.nobody) for one in found]
    return heard


EACH_MINUTE = [float(minute) for minute in range(1000)]


@given(ROUTES, st.integers(0, 2))
def test_unanswered_every_step_is_told_at_its_time(minutes: list[int], repeats: int) -> None:
    plan = plan_of(minutes, repeats)
    assert told(plan, EACH_MINUTE, [], frozenset()) == [(level.at / MINUTE, level.number, "") for level in plan[1:]]


@given(ROUTES, st.integers(0, 1), st.sets(st.integers(0, 999), max_size=400))
def test_a_worker_that_was_away_takes_each_step_once_and_no_later_than_when_it_is_back(
    minutes: list[int], repeats: int, away: set[int]
) -> None:
    plan = plan_of(minutes, repeats)
    ticks = [minute for minute in EACH_MINUTE if minute not in away]
    heard = told(plan, [*ticks, *(1000.0 + n for n in range(1000))], [], frozenset())
    assert [number for _, number, _ in heard] == [level.number for level in plan[1:]]
    before = 0.0
    for minute, number, _ in heard:
        due = before + (plan[number].at - plan[number - 1].at) / MINUTE
        latest = next((tick for tick in ticks if tick >= due), 1000.0)
        assert due <= minute <= max(latest, due)
        before = minute


@given(ROUTES, st.integers(0, 1), st.integers(0, 200), st.integers(1, 300))
def test_acknowledged_nobody_is_told_and_all_goes_on_when_it_ends(
    minutes: list[int], repeats: int, from_: int, lasts: int
) -> None:
    plan = plan_of(minutes, repeats)
    heard = told(plan, EACH_MINUTE, [ack(from_, from_ + lasts)], frozenset())
    # In the same minute the step may have come first, or the acknowledgement.
    assert not [minute for minute, _, _ in heard if from_ <= minute < from_ + lasts]
    assert [number for _, number, _ in heard] == [level.number for level in plan[1:]]
    for minute, number, _ in heard:
        on_time = plan[number].at / MINUTE
        assert minute == on_time if on_time < from_ else minute <= on_time + lasts


@given(ROUTES, st.integers(0, 1), st.sets(st.integers(1, 8)))
def test_no_step_is_left_out_without_a_reason(minutes: list[int], repeats: int, empty: set[int]) -> None:
    plan = plan_of(minutes, repeats)
    heard = told(plan, EACH_MINUTE, [], frozenset(empty))
    assert [number for _, number, _ in heard] == [level.number for level in plan[1:]]
    assert [number for _, number, why in heard if why] == [n for n in range(1, len(plan)) if n in empty]
    # Who is reached after steps without anybody hears when the first of those was due.
    for (minute, _, why), (following, _, _) in pairwise(heard):
        assert following == minute if why else following > minute
