"""errors: what is kept of an exception."""

from __future__ import annotations

import pytest
import stripe
from django.db import OperationalError

from webhooks.errors import MESSAGE_LIMIT, ErrorFacts, describe


class OrderError(ValueError):
    pass


class UnprintableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no")


def _facts(error: BaseException) -> ErrorFacts:
    try:
        raise error
    except BaseException as raised:  # noqa: BLE001 - SystemExit is among them
        return describe(raised, duration_ms=7)


def test_classes_go_by_the_names_that_people_know() -> None:
    assert _facts(KeyError("amount")).exception == "KeyError"
    assert _facts(KeyError("amount")).bases == ("LookupError", "Exception")
    assert _facts(OperationalError()).exception == "django.db.OperationalError"
    assert _facts(OperationalError()).bases == ("django.db.DatabaseError", "django.db.Error", "Exception")
    assert _facts(stripe.RateLimitError("slow down")).exception == "stripe.RateLimitError"
    assert _facts(OrderError()).exception == f"{__name__}.OrderError"
    assert _facts(SystemExit(2)).exception == "SystemExit"


def test_the_frame_is_the_innermost_of_the_sites_own_code() -> None:
    where = _facts(OrderError("x")).where
    assert (where.module, where.function) == (__name__, "_facts")
    assert where.file.endswith("tests/webhooks/test_errors.py")
    assert not where.file.startswith("/")

    def call_a_library() -> None:
        stripe.WebhookSignature.verify_header("{}", "", "whsec_x")

    try:
        call_a_library()
    except stripe.SignatureVerificationError as error:
        facts = describe(error)
    assert facts.where.function.endswith("call_a_library")  # not the line inside stripe
    assert "_webhook.py" in facts.stack


def test_an_error_without_frames_has_no_place_and_no_stack() -> None:
    facts = describe(ValueError("never raised"))
    assert (facts.where.file, facts.stack, facts.stack_sha256) == ("", "", "")


def test_messages_are_redacted_cut_and_storable() -> None:
    assert "sk_live" not in _facts(OrderError("key sk_live_abcdefghijklmnop failed")).message
    assert len(_facts(OrderError("x " * 5000)).message) <= MESSAGE_LIMIT
    odd = _facts(OrderError("a\x00b\ud800c")).message
    assert "\x00" not in odd
    odd.encode()
    assert _facts(UnprintableError()).message == "(its message cannot be read)"
    assert _facts(OrderError("no such order 7")).message == "no such order 7"


def test_stacks_of_one_place_are_equal_whatever_the_message() -> None:
    first, second = _facts(OrderError("order 1")), _facts(OrderError("order 2"))
    assert first.stack_sha256 == second.stack_sha256
    assert "order 1" not in first.stack


def test_the_stack_shows_the_chain_and_hides_secrets() -> None:
    def read() -> None:
        try:
            raise KeyError("amount")
        except KeyError as error:
            raise OrderError("incomplete") from error

    try:
        read()
    except OrderError as error:
        stack = describe(error).stack
    assert stack.index("KeyError") < stack.index("led to") < stack.index("OrderError")
    try:
        raise OrderError("sk_live_abcdefghijklmnop")
    except OrderError as error:
        stack = describe(error).stack
    assert "raise OrderError(" in stack  # the line is shown, the key in it is not
    assert "sk_live" not in stack


def test_an_endless_recursion_makes_a_bounded_stack() -> None:
    def down(depth: int) -> None:
        down(depth + 1)

    with pytest.raises(RecursionError) as raised:
        down(0)
    assert 0 < len(describe(raised.value).stack) < 20_000
