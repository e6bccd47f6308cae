"""When to try again: (policy, error, attempt, age) -> seconds, or why not. Pure: the caller stores the answer.

The strategies are tenacity's (https://tenacity.readthedocs.io), of which only the pause is asked: nothing sleeps here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import tenacity


class Policy(Protocol):
    """What `tenacity.Retrying(...)` offers."""

    @property
    def wait(self) -> Callable[[tenacity.RetryCallState], float]: ...
    @property
    def stop(self) -> Callable[[tenacity.RetryCallState], bool]: ...
    @property
    def retry(self) -> Callable[[tenacity.RetryCallState], bool]: ...


@dataclass(frozen=True, slots=True)
class Decision:
    """Seconds until the next try, or None, and why."""

    delay: float | None
    reason: Literal["retry", "permanent", "exhausted"]


def decide(policy: Policy, *, error: BaseException, attempt: int, age: float) -> Decision:
    """What to do after `attempt` tries (1 or more), the first of them `age` seconds ago."""
    state = _state(error, attempt, age)
    if not policy.retry(state):
        return Decision(None, "permanent")
    delay = max(0.0, policy.wait(state))
    state.upcoming_sleep = delay  # what stop_before_delay asks about
    if policy.stop(state):
        return Decision(None, "exhausted")
    return Decision(delay, "retry")


def policy(
    *,
    attempts: int,
    max_age: float,
    retry: Callable[[BaseException], bool] = lambda _error: True,
    hint: Callable[[BaseException], float | None] = lambda _error: None,
    multiplier: float = 2,
    longest: float = 900,
    jitter: float = 5,
) -> Policy:
    """Waits that double from `multiplier` seconds up to `longest`, with up to `jitter` seconds at random on top.

    Ends with try number `attempts`, or when the next one would come `max_age` seconds or more after the first.
    `retry` says whether trying again can help; `hint` is how many seconds the other side asked for (Retry-After).
    """
    return tenacity.Retrying(
        wait=wait_at_least(tenacity.wait_exponential_jitter(multiplier=multiplier, max=longest, jitter=jitter), hint),
        stop=tenacity.stop_after_attempt(attempts) | tenacity.stop_before_delay(max_age),
        retry=tenacity.retry_if_exception(retry),
    )


class wait_at_least(tenacity.wait.wait_base):  # noqa: N801 - named as tenacity names its strategies
    """Waits as `base` says, or as long as the other side asked for when that is longer."""

    def __init__(
        self,
        base: Callable[[tenacity.RetryCallState], float],
        hint: Callable[[BaseException], float | None],
    ) -> None:
        self.base = base
        self.hint = hint

    def __call__(self, retry_state: tenacity.RetryCallState) -> float:
        error = retry_state.outcome.exception() if retry_state.outcome else None
        asked = self.hint(error) if error else None
        return max(self.base(retry_state), asked or 0.0)


def _state(error: BaseException, attempt: int, age: float) -> tenacity.RetryCallState:
    nobody: Any = None  # strategies ask for neither the retrying object nor the function
    state = tenacity.RetryCallState(retry_object=nobody, fn=None, args=(), kwargs={})
    state.attempt_number = attempt
    state.set_exception((type(error), error, error.__traceback__))
    if state.outcome_timestamp is not None:
        state.start_time = state.outcome_timestamp - max(0.0, age)
    return state
