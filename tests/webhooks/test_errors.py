"""errors: what is kept of an exception."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import stripe
from django.db import OperationalError
from pytest_django import Settings

from webhooks.process.errors import LONG_MESSAGE_LIMIT, MESSAGE_LIMIT, ErrorFacts, describe


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


# --- groups and notes ---------------------------------------------------------------------------------------------


def charge() -> None:
    raise KeyError("amount")


def _caught(call: Callable[[], None]) -> Exception:
    try:
        call()
    except Exception as error:  # noqa: BLE001 - whatever it raises
        return error
    raise AssertionError("nothing was raised")


def _group() -> ExceptionGroup[Exception]:
    inner = ExceptionGroup("inner", [TimeoutError("no answer")])
    return ExceptionGroup("2 of 3 failed", [_caught(charge), inner])


def test_the_parts_of_a_group_are_shown_each_with_its_own_line() -> None:
    facts = _facts(_group())
    lines = facts.message.split("\n")
    assert lines[0].startswith("2 of 3 failed")
    assert lines[1].startswith("part: KeyError: 'amount' in tests/webhooks/test_errors.py:")
    assert lines[1].endswith(" charge")
    assert lines[2] == "part: TimeoutError: no answer"
    assert "raise KeyError" in facts.stack  # the part's own frames


def test_a_group_has_the_classes_of_its_parts_and_the_judgement_of_the_worst() -> None:
    facts = _facts(_group())
    assert (facts.exception, facts.bases[:2]) == ("ExceptionGroup", ("KeyError", "LookupError"))
    assert {"KeyError", "LookupError", "TimeoutError", "OSError"} < set(facts.bases)
    assert (facts.kind, facts.transient) == ("code", False)


def test_notes_are_shown() -> None:
    error = OrderError("no such order")
    error.add_note("while the invoice in_1 was read")
    error.add_note("key sk_live_abcdefghijklmnop")
    assert _facts(error).message == "no such order\nnote: while the invoice in_1 was read\nnote: key [secret]"
    part = KeyError("x")
    part.add_note("for customer cus_1")
    assert "note: for customer cus_1" in _facts(ExceptionGroup("all", [part])).message


def test_much_is_cut_and_counted() -> None:
    error = OrderError("x " * 5000)
    for number in range(50):
        error.add_note(f"{number} " + "y " * 5000)
    assert len(_facts(error).message) <= LONG_MESSAGE_LIMIT
    many = _facts(ExceptionGroup("many", [KeyError(n) for n in range(5000)])).message
    assert len(many) <= LONG_MESSAGE_LIMIT
    assert "and 90 more parts" in many
    odd = OrderError("odd")
    odd.__notes__ = [3, None, UnprintableError(), "a\x00b\ud800c"]  # type: ignore[list-item] # anybody may put it there
    assert "note: 3" in _facts(odd).message
    odd.__notes__ = 7  # type: ignore[assignment] # likewise
    assert _facts(odd).message == "odd"


def test_what_was_judged_by_its_cause_has_the_classes_of_the_cause() -> None:
    def pay() -> None:
        try:
            raise ConnectionResetError("reset")
        except ConnectionResetError as error:
            raise RuntimeError("payment failed") from error

    facts = describe(_caught(pay))
    assert (facts.exception, facts.kind, facts.transient) == ("RuntimeError", "network", True)
    assert "ConnectionError" in facts.bases


def test_what_a_hostile_exception_does_is_no_failure_of_ours() -> None:
    def no(self: object) -> object:
        raise SystemExit(3)

    names = (
        "__str__",
        "__notes__",
        "__traceback__",
        "__cause__",
        "__context__",
        "response",
        "status_code",
        "exceptions",
    )
    hostile = type("HostileError", (ExceptionGroup,), {**dict.fromkeys(names, property(no)), "__str__": no})
    for error in (hostile("x", [KeyError()]), OrderError(hostile("x", [KeyError()]))):
        assert _facts(error).message.startswith("(its message cannot be read)")


def test_a_group_that_led_to_it_is_shown_too() -> None:
    def pay() -> None:
        group = _group()
        group.add_note("batch 7")
        raise RuntimeError("payment failed") from group

    facts = describe(_caught(pay))
    assert facts.message.startswith("payment failed\nnote: batch 7\npart: KeyError: 'amount' in tests/webhooks/")
    assert "raise KeyError" in facts.stack
    assert facts.kind == "code"


def test_a_class_whose_metaclass_is_odd_has_a_path_all_the_same() -> None:
    class OddMeta(type):
        __hash__ = None  # type: ignore[assignment] # nobody can hash its classes

        @property
        def __mro__(cls) -> tuple[type, ...]:
            raise RuntimeError("no")

    odd = OddMeta("OddError", (Exception,), {"__module__": "bill\ud800ing"})
    facts = _facts(odd())
    assert facts.exception == "bill?ing.OddError"
    facts.exception.encode()


def test_a_file_that_is_no_utf8_can_be_stored() -> None:
    code = compile("raise KeyError('x')", "/srv/caf\udce9/handlers.py", "exec")
    with pytest.raises(KeyError) as raised:
        exec(code, {"__name__": "caf\udce9.handlers"})  # noqa: S102 - how else would a file be called that
    facts = describe(raised.value)
    (facts.where.file + facts.where.module + facts.stack).encode()


def test_a_site_may_keep_no_text_of_exceptions(settings: Settings) -> None:
    settings.WEBHOOKS = {**settings.WEBHOOKS, "MESSAGES": "class-only"}
    noted = OrderError("no order for Jane Doe of 63 Canarylane")
    noted.add_note("Jane Doe called about it")
    group = ExceptionGroup("Jane Doe's orders", [noted, KeyError("Jane Doe")])
    for error in (noted, group):
        facts = _facts(error)
        assert "Jane" not in f"{facts}"
        assert "Canarylane" not in f"{facts}"
    assert f"{__name__}.OrderError" in _facts(group).message
    assert _facts(noted).where.function == "_facts"


def test_a_secret_in_a_classs_name_is_not_kept() -> None:
    made = type("Error_sk_live_51HabcDEF0123", (ValueError,), {"__module__": "shop.xoxb-17653672481-canary"})
    facts = _facts(made("x"))
    assert "51HabcDEF0123" not in f"{facts}"
    assert "canary" not in f"{facts}"
    assert "[secret]" in facts.exception
