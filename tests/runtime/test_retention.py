"""The pace at which old rows go."""

from __future__ import annotations

from datetime import UTC, datetime

from alerts_runtime.database.retention import EVERY, Pruner

NOW = datetime(2026, 11, 22, 14, 2, tzinfo=UTC)


def test_goes_on_while_there_is_more_and_then_looks_once_an_hour() -> None:
    found = [True, True, False, False]
    asked: list[datetime] = []

    def prune(now: datetime) -> bool:
        asked.append(now)
        return found[len(asked) - 1]

    pruner = Pruner(prune)
    for clock in (5.0, 6.0, 7.0, 8.0, 6.0 + EVERY):
        pruner.step(NOW, clock)
    assert asked == [NOW] * 3

    pruner.step(NOW, 7.0 + EVERY)
    assert len(asked) == 4


def test_a_look_that_fails_is_not_repeated_at_once() -> None:
    asked: list[datetime] = []

    def prune(now: datetime) -> bool:
        asked.append(now)
        raise ConnectionError

    pruner = Pruner(prune)
    for clock in (0.0, 1.0):
        try:
            pruner.step(NOW, clock)
        except ConnectionError:
            continue
    assert len(asked) == 1
