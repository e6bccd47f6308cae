"""What happens by the clock: each part on its own."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from alerts_runtime.isolation import parts
from alerts_runtime.isolation.parts import Parts, on_its_own

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    clock = [1000.0]
    monkeypatch.setattr(parts, "monotonic", lambda: clock[0])
    monkeypatch.setattr(parts, "database_answers", lambda: True)
    return clock


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    heard: list[tuple[str, str]] = []
    monkeypatch.setattr(
        "alerts_runtime.isolation.last_resort.say", lambda cause, headline, text: heard.append((cause, headline))
    )
    return heard


class Part:
    def __init__(self, name: str, *, broken: bool = False) -> None:
        self.__qualname__, self.broken, self.calls = name, broken, 0

    def __call__(self, now: datetime) -> None:
        assert now == NOW
        self.calls += 1
        if self.broken:
            raise ValueError("broken")


def test_what_is_done_gives_its_result(seconds: list[float]) -> None:
    assert on_its_own("add", lambda: 7) == 7


def test_each_part_has_its_own_pace_and_its_own_pause(seconds: list[float], said: list[tuple[str, str]]) -> None:
    often, seldom, broken = Part("often"), Part("seldom"), Part("broken", broken=True)
    step = Parts("a", [(0.0, broken), (0.0, often), (10.0, seldom)])
    for _ in range(100):
        step(lambda: NOW)
        seconds[0] += 1
    assert (often.calls, seldom.calls) == (100, 10)
    assert 4 < broken.calls < 8
    assert len(said) == 1
    broken.broken = False
    seconds[0] += parts.LONGEST_PAUSE
    for _ in range(2):
        step(lambda: NOW)
    assert 6 < broken.calls < 10


def test_rows_of_one_kind_are_one_cause(seconds: list[float], said: list[tuple[str, str]]) -> None:
    def bad() -> None:
        raise ValueError

    for _ in range(parts.TELL_AFTER):
        for key in (1, 2):
            assert on_its_own("end alert", bad, key=key) is None
        seconds[0] += parts.LONGEST_PAUSE
    assert said == [("end alert", "Failing: end alert 1"), ("end alert", "Failing: end alert 2")]


def test_a_database_that_is_away_is_no_parts_own_trouble(
    seconds: list[float], monkeypatch: pytest.MonkeyPatch, said: list[tuple[str, str]]
) -> None:
    monkeypatch.setattr(parts, "database_answers", lambda: False)
    after = Part("after")
    with pytest.raises(ValueError, match="broken"):
        Parts("a", [(0.0, Part("broken", broken=True)), (0.0, after)])(lambda: NOW)
    assert (after.calls, said) == (0, [])


def test_what_is_gone_is_not_remembered(seconds: list[float]) -> None:
    def bad() -> None:
        raise ValueError

    for key in range(100):
        on_its_own("end alert", bad, key=key)
        seconds[0] += 2 * parts.FORGET_AFTER
    assert len(parts._troubles) == 1
