"""retry: (error, attempt) -> when next, when last. A row for each kind of error."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
import requests
import stripe
import urllib3
from django.db import IntegrityError, InterfaceError, OperationalError

from alerts_runtime.failures.judging import judge
from alerts_runtime.failures.reading import read
from webhooks.conf import Retry
from webhooks.exceptions import WorkerLost
from webhooks.process import retry

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LIMITS = Retry(attempts=4, transient_days=3, first_delay=10, transient=frozenset())


class HttpxTransportError(Exception):
    """As httpx has it: its classes name the package as their module."""

    __module__, __qualname__ = "httpx", "TransportError"


class HttpxTimeoutError(HttpxTransportError):
    __module__, __qualname__ = "httpx", "ConnectTimeout"


class FlakyError(Exception):
    pass


class AnsweredError(Exception):
    """An HTTP error in the way of requests and httpx."""

    def __init__(self, status: int, **headers: str) -> None:
        super().__init__(f"{status}")
        self.response = SimpleNamespace(status_code=status, headers=headers)


def stripe_error(name: str, **attributes: Any) -> stripe.StripeError:
    """By name, since some of their constructors want more than the HTTP status, which is all that counts."""
    cls: Any = getattr(stripe, name)
    error: stripe.StripeError = cls.__new__(cls)
    stripe.StripeError.__init__(error, "it failed", **attributes)
    return error


@pytest.mark.parametrize(
    ("error", "transient"),
    [
        (OperationalError("server closed the connection"), True),
        (InterfaceError("connection already closed"), True),
        (TimeoutError(), True),
        (ConnectionResetError(), True),
        (requests.exceptions.ReadTimeout(), True),
        (requests.exceptions.ConnectionError(), True),
        (urllib3.exceptions.ReadTimeoutError(None, "/", ""), True),  # type: ignore[arg-type] # the pool is not looked at
        (HttpxTimeoutError(), True),  # a subclass, matched by its base's path
        (stripe_error("APIConnectionError"), True),
        (stripe.RateLimitError("slow down", http_status=429), True),
        (stripe.APIError("oops", http_status=500), True),
        (stripe.APIError("conflict", http_status=409), True),
        (AnsweredError(503), True),
        (AnsweredError(429), True),
        (stripe.APIError("odd", http_status=None), True),
        (stripe.APIError("odd", http_status=400), True),
        (stripe_error("InvalidRequestError", http_status=404), False),
        (stripe_error("CardError", http_status=402), False),
        (AnsweredError(404), False),
        (IntegrityError("duplicate key"), False),
        (KeyError("amount"), False),
        (SystemExit(1), False),
        (WorkerLost(), False),
        (FlakyError(), False),
    ],
    ids=lambda value: type(value).__qualname__ if isinstance(value, BaseException) else None,
)
def test_what_heals_by_itself_is_told_from_what_does_not(error: BaseException, transient: bool) -> None:
    assert judge(read(error)).transient is transient


def test_the_site_may_name_more_classes_that_heal() -> None:
    path = f"{FlakyError.__module__}.{FlakyError.__qualname__}"
    assert judge(read(FlakyError()), frozenset({path})).transient
    assert judge(read(KeyError()), frozenset({"builtins.KeyError"})).transient


def _delays(error: BaseException, limits: Retry = LIMITS) -> list[float]:
    """The seconds between attempts, until it gives up."""
    delays: list[float] = []
    while True:
        plan = retry.plan(error, attempt=len(delays) + 1, now=NOW, limits=limits)
        if plan.due_at is None:
            return delays
        assert plan.max_attempts
        assert len(delays) < plan.max_attempts
        assert plan.next_attempt_at == plan.due_at
        assert plan.gives_up_at
        assert plan.gives_up_at >= plan.due_at
        delays.append((plan.due_at - NOW).total_seconds())


def test_a_bug_gets_four_attempts_over_eleven_minutes() -> None:
    assert _delays(KeyError("amount")) == pytest.approx([10, 60, 600], abs=1.1)


def test_an_outage_is_waited_out_for_three_days_with_growing_delays() -> None:
    delays = _delays(OperationalError("down"))
    assert len(delays) >= 12
    assert timedelta(hours=60) < timedelta(seconds=sum(delays)) <= timedelta(hours=72)
    assert delays[:4] == pytest.approx([10, 20, 40, 80], abs=10.1)
    assert max(delays) <= 8 * 3600 + 10


def test_an_event_that_kills_its_worker_gets_three_attempts() -> None:
    assert len(_delays(WorkerLost())) == 2


def test_when_it_gives_up_is_known_from_the_first_failure() -> None:
    first = retry.plan(KeyError(), attempt=1, now=NOW, limits=LIMITS)
    assert first.gives_up_at
    assert (first.gives_up_at - NOW).total_seconds() == pytest.approx(10 + 60 + 600, abs=3.3)
    assert first.max_attempts == 4
    last = retry.plan(KeyError(), attempt=4, now=NOW, limits=LIMITS)
    assert (last.will_retry, last.next_attempt_at, last.gives_up_at, last.max_attempts) == (False, None, None, 4)


def test_a_bug_that_shows_late_in_an_outage_is_not_tried_again() -> None:
    late = retry.plan(KeyError(), attempt=9, now=NOW, limits=LIMITS)
    assert (late.will_retry, late.max_attempts) == (False, 9)


def test_limits_are_the_sites() -> None:
    limits = Retry(attempts=2, transient_days=1, first_delay=1, transient=frozenset())
    assert _delays(KeyError(), limits) == pytest.approx([1], abs=0.2)
    assert sum(_delays(OperationalError(), limits)) <= 86_400


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (stripe.RateLimitError("slow down", headers={"Retry-After": "120"}), 120),
        (AnsweredError(503, **{"Retry-After": "45.5"}), 45.5),
        (AnsweredError(503, **{"Retry-After": "999999999"}), 86_400),  # nobody may ask for more than a day
        (AnsweredError(503, **{"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}), None),
        (AnsweredError(503, **{"Retry-After": "-1"}), None),
        (AnsweredError(503), None),
        (AnsweredError(503, **{"Retry-After": "nan"}), None),
        (AnsweredError(503, **{"Retry-After": "9" * 400}), 86_400),
        (AnsweredError(503, **{"retry-after": "7"}), 7),
        (KeyError(), None),
    ],
)
def test_retry_after_is_heard(error: BaseException, seconds: float | None) -> None:
    assert retry.retry_after(error) == seconds
    if seconds and seconds > 60:
        plan = retry.plan(error, attempt=1, now=NOW, limits=LIMITS)
        assert plan.due_at == NOW + timedelta(seconds=seconds)


def test_retry_after_is_heard_of_what_led_to_it_and_of_a_part() -> None:
    slow, slower = AnsweredError(429, **{"Retry-After": "90"}), AnsweredError(429, **{"Retry-After": "120"})
    wrapped = RuntimeError("payment failed")
    wrapped.__cause__ = slow
    assert retry.retry_after(wrapped) == 90
    assert retry.retry_after(ExceptionGroup("both", [slow, slower])) == 120


def test_in_inline_mode_stripe_retries_and_the_worker_tries_last() -> None:
    last_try_at = NOW + timedelta(hours=73)
    early = retry.plan_inline(last_try_at=last_try_at, now=NOW)
    assert (early.due_at, early.next_attempt_at, early.gives_up_at) == (last_try_at, None, last_try_at)
    assert not retry.plan_inline(last_try_at=last_try_at, now=last_try_at).will_retry
