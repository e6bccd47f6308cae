"""When to try again, and when not to."""

from __future__ import annotations

import random
from typing import Any

import pytest
import tenacity
from hypothesis import given
from hypothesis import strategies as st

from alerts_runtime.isolation.backoff import Decision, decide, policy, wait_at_least

HOUR = 3600.0


class AskedToWaitError(Exception):
    def __init__(self, seconds: float | None) -> None:
        self.seconds = seconds


def asked(error: BaseException) -> float | None:
    return error.seconds if isinstance(error, AskedToWaitError) else None


def without_jitter(**changes: Any) -> Any:
    defaults: dict[str, Any] = {"attempts": 12, "max_age": 72 * HOUR, "jitter": 0}
    return policy(**(defaults | changes))


@pytest.mark.parametrize(
    ("attempt", "delay"),
    [
        (1, 2.0),
        (2, 4.0),
        (3, 8.0),
        (9, 512.0),
        # no longer than 15 minutes
        (10, 900.0),
        (11, 900.0),
    ],
)
def test_waits_double_up_to_the_longest(attempt: int, delay: float) -> None:
    assert decide(without_jitter(), error=OSError(), attempt=attempt, age=0) == Decision(delay, "retry")


@pytest.mark.parametrize(
    ("changes", "error", "attempt", "age", "expected"),
    [
        # the last attempt was the twelfth
        ({}, OSError(), 12, 60.0, Decision(None, "exhausted")),
        # more attempts than there should be, as after a change of settings
        ({}, OSError(), 5000, 60.0, Decision(None, "exhausted")),
        # few attempts, but the first was three days ago
        ({}, OSError(), 3, 72 * HOUR, Decision(None, "exhausted")),
        # the next one would come too late
        ({"max_age": 100}, OSError(), 5, 90.0, Decision(None, "exhausted")),
        # the next one just makes it
        ({"max_age": 100}, OSError(), 1, 90.0, Decision(2.0, "retry")),
        # the other side asks for more patience than there is
        ({"max_age": 100, "hint": asked}, AskedToWaitError(500), 1, 0.0, Decision(None, "exhausted")),
        # an error that trying again cannot mend
        ({"retry": lambda e: isinstance(e, OSError)}, ValueError(), 1, 0.0, Decision(None, "permanent")),
        # is so on its last attempt too
        ({"retry": lambda e: isinstance(e, OSError)}, ValueError(), 12, 0.0, Decision(None, "permanent")),
        # Retry-After wins when it is longer
        ({"hint": asked}, AskedToWaitError(30), 1, 0.0, Decision(30.0, "retry")),
        # and loses when it is shorter
        ({"hint": asked}, AskedToWaitError(30), 6, 0.0, Decision(64.0, "retry")),
        # no Retry-After
        ({"hint": asked}, AskedToWaitError(None), 1, 0.0, Decision(2.0, "retry")),
        # nonsense from the other side
        ({"hint": asked}, AskedToWaitError(-30), 1, 0.0, Decision(2.0, "retry")),
        # a clock that was set back
        ({}, OSError(), 1, -500.0, Decision(2.0, "retry")),
    ],
)
def test_decision(changes: dict[str, Any], error: Exception, attempt: int, age: float, expected: Decision) -> None:
    assert decide(without_jitter(**changes), error=error, attempt=attempt, age=age) == expected


def test_any_tenacity_strategies_are_a_policy() -> None:
    every_minute = tenacity.Retrying(
        wait=tenacity.wait_fixed(60),
        stop=tenacity.stop_after_delay(HOUR),
        retry=tenacity.retry_if_not_exception_type(ValueError),
    )

    assert decide(every_minute, error=OSError(), attempt=1, age=0) == Decision(60.0, "retry")
    assert decide(every_minute, error=OSError(), attempt=99, age=HOUR) == Decision(None, "exhausted")
    assert decide(every_minute, error=ValueError(), attempt=1, age=0) == Decision(None, "permanent")


def test_wait_at_least_keeps_what_its_base_says_when_nothing_was_asked() -> None:
    state = tenacity.RetryCallState(tenacity.Retrying(), None, (), {})
    assert wait_at_least(lambda _state: 7.0, asked)(state) == 7.0


@given(
    attempt=st.integers(1, 10_000),
    age=st.floats(-1e6, 1e9),
    seconds=st.none() | st.floats(-1e6, 1e6),
    seed=st.integers(0, 2**32),
)
def test_a_delay_is_never_negative_nor_shorter_than_asked_nor_longer_than_both_bounds(
    attempt: int, age: float, seconds: float | None, seed: int
) -> None:
    random.seed(seed)
    patient = policy(attempts=20_000, max_age=1e12, hint=asked)

    delay = decide(patient, error=AskedToWaitError(seconds), attempt=attempt, age=age).delay

    assert delay is not None
    assert max(0.0, seconds or 0.0) <= delay <= max(900.0, seconds or 0.0)


@given(attempt=st.integers(1, 9_999), seed=st.integers(0, 2**32))
def test_the_least_delay_never_shrinks_from_one_attempt_to_the_next(attempt: int, seed: int) -> None:
    random.seed(seed)
    patient = policy(attempts=20_000, max_age=1e12)
    least = without_jitter(attempts=20_000, max_age=1e12)

    delay = decide(patient, error=OSError(), attempt=attempt + 1, age=0).delay
    bound = decide(least, error=OSError(), attempt=attempt, age=0).delay

    assert delay is not None
    assert bound is not None
    assert delay >= bound
