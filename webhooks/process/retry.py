"""What happens after an attempt failed: (error, attempt, ...) -> Plan. Pure.

After an outage, a timeout or a rate limit, attempts go on for days; after a bug there are a few, enough for a race or a
deploy; an event at which workers die gets three.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from itertools import accumulate, count

import tenacity

from alerts_runtime.failures import foreign
from alerts_runtime.failures import kinds as failure_kinds
from alerts_runtime.failures.judging import Judgement, judge
from alerts_runtime.failures.reading import read
from alerts_runtime.isolation.backoff import Policy, decide, policy
from webhooks.conf import Retry

WORKER_LOST_ATTEMPTS = 3
# Stripe retries for three days; in inline mode the worker makes the last try after that.
INLINE_PATIENCE = timedelta(hours=73)
_LONGEST = timedelta(hours=8)
_MOST_ASKED = timedelta(days=1)  # no Retry-After may ask for more


@dataclass(frozen=True, slots=True)
class Plan:
    """When an event is tried again. Times are aware.

    `due_at`: when a worker takes it again; None: never, it is given up. `next_attempt_at`: when people are told that it
    is tried, None where nobody knows (in inline mode Stripe decides). `gives_up_at`: when the last attempt is.
    """

    due_at: datetime | None = None
    next_attempt_at: datetime | None = None
    gives_up_at: datetime | None = None
    max_attempts: int | None = None

    @property
    def will_retry(self) -> bool:
        return self.due_at is not None


def plan(
    error: BaseException, *, attempt: int, now: datetime, limits: Retry, judgement: Judgement | None = None
) -> Plan:
    """When the next attempt is, after `attempt` of them (from 1), and when the last.

    `judgement`: what is known of the error, where it was judged already.
    """
    judged = judgement or judge(read(error), limits.transient)
    chosen, attempts = _policy(judged.retry, limits)
    decision = decide(chosen, error=error, attempt=attempt, age=0)
    if decision.delay is None:
        return Plan(max_attempts=max(attempts, attempt))
    next_at = now + timedelta(seconds=decision.delay)
    later = sum(
        decide(chosen, error=error, attempt=number, age=0).delay or 0 for number in range(attempt + 1, attempts)
    )
    return Plan(next_at, next_at, next_at + timedelta(seconds=later), attempts)


def plan_inline(*, last_try_at: datetime, now: datetime) -> Plan:
    """For inline mode, where Stripe's retries are the attempts: the worker makes one more after the last of them."""
    return Plan(last_try_at, None, last_try_at) if now < last_try_at else Plan()


def retry_after(error: BaseException) -> float | None:
    """The seconds that a service asked to wait (Retry-After): the longest in the error, its parts and its causes.

    Read from the errors of stripe, requests, httpx, urllib, aiohttp and AWS; None when none asks.
    """
    asked = [seconds for one in foreign.chain_of(error) if (seconds := _asked(one)) is not None]
    return max(asked, default=None)


def _asked(error: BaseException) -> float | None:
    response = foreign.get(error, "response")
    aws = foreign.item(foreign.item(response, "ResponseMetadata"), "HTTPHeaders")
    found = (
        foreign.item(headers, name)
        for headers in (foreign.get(error, "headers"), foreign.get(response, "headers"), aws)
        for name in ("Retry-After", "retry-after")
    )
    text = next((value for value in found if issubclass(type(value), str | int | float)), "")
    try:
        asked = float(text)
    except (ValueError, OverflowError):
        return None
    return min(asked, _MOST_ASKED.total_seconds()) if asked > 0 else None


def _policy(chosen: failure_kinds.Retry, limits: Retry) -> tuple[Policy, int]:
    match chosen:
        case failure_kinds.Retry.LOST:
            return _few(WORKER_LOST_ATTEMPTS, limits.first_delay), WORKER_LOST_ATTEMPTS
        case failure_kinds.Retry.PATIENT:
            return _patient(limits.transient_days, limits.first_delay)
        case failure_kinds.Retry.FEW:
            return _few(limits.attempts, limits.first_delay), limits.attempts


@cache
def _few(attempts: int, first_delay: int) -> Policy:
    """10 s, 1 min, 10 min, and so on every 10 min, when the first delay is 10 s."""
    steps = (tenacity.wait_fixed(first_delay * factor) for factor in (1, 6, 60))
    return tenacity.Retrying(
        wait=tenacity.wait_chain(*steps) + tenacity.wait_random(0, first_delay / 10),
        stop=tenacity.stop_after_attempt(attempts),
        retry=tenacity.retry_always,
    )


@cache
def _patient(days: int, first_delay: int) -> tuple[Policy, int]:
    """Doubles up to 8 hours, with as many attempts as fit into those days: 20 in three days from 10 s.

    By number and not by age: an event that waited for days in a queue must not give up at its first failure.
    """
    longest = _LONGEST.total_seconds()
    delays = accumulate(min(first_delay * 2.0**step, longest) for step in count())
    attempts = 1 + next(fitting for fitting, total in enumerate(delays) if total > days * 86_400)
    return (
        policy(
            attempts=attempts,
            max_age=float("inf"),
            hint=retry_after,
            multiplier=first_delay,
            longest=longest,
            jitter=first_delay,
        ),
        attempts,
    )
