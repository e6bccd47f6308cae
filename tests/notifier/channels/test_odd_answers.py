"""Answers of a provider that took the message and says so oddly: what is kept of them fits every database."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.channels.base import Channel
from notifier.facts import DeliveryError, Message, Receipt, Result
from notifier.models import Attempt, Notification
from tests.notifier.channels.conftest import MESSAGE, Rig, message

Build = Callable[[str], Rig]
INACTIVE = "Message OK, but will not deliver to these inactive addresses"
_LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
ODD = [7, "a\0b", "\ud800", "x" * 5000, None, True, [], {}, {"a": 1}, 1.5, ""]
KINDS: dict[str, tuple[int, Callable[[Any], Any]]] = {
    "slack": (200, lambda odd: {"ok": True, "channel": odd, "ts": odd, "message": odd}),
    "sms": (201, lambda odd: {"sid": odd, "status": odd, "error_code": odd, "num_segments": odd, "body": odd}),
    "postmark": (200, lambda odd: {"To": "oncall@shop.example", "MessageID": odd, "ErrorCode": 0, "Message": "OK"}),
    "mailgun": (200, lambda odd: {"id": odd, "message": "Queued. Thank you."}),
    "resend": (200, lambda odd: {"id": odd}),
    "brevo": (201, lambda odd: {"messageId": odd}),
    "amazon_ses": (200, lambda odd: {"MessageId": odd}),
}


def fits(receipt: Receipt) -> None:
    for value, model, name in (
        (receipt.provider_id, Attempt, "provider_id"),
        (receipt.thread, Notification, "thread"),
    ):
        assert isinstance(value, str)
        value.encode()
        assert "\0" not in value
        assert len(value) <= (model._meta.get_field(name).max_length or 0)  # type: ignore[union-attr]  # a column
    assert 0 <= receipt.parts <= 32_767


def outcome_of(under_test: Rig) -> Receipt | DeliveryError:
    try:
        return under_test.channel.deliver(under_test.address, MESSAGE)
    except DeliveryError as error:
        return error


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: ascii(odd)[:20])
@pytest.mark.parametrize("kind", KINDS)
def test_an_odd_id_is_never_a_refusal_and_always_fits(kind: str, odd: Any, rig: Build) -> None:
    under_test = rig(kind)
    status, answer = KINDS[kind]
    under_test.fake.script({"status": status, "body": json.dumps(answer(odd))})

    outcome = outcome_of(under_test)

    if isinstance(outcome, Receipt):
        fits(outcome)
    else:
        assert outcome.result is Result.UNCERTAIN, "it was taken, so it is not refused, nor free to be sent again"
        outcome.code.encode()
    assert len(under_test.fake.received) == 1


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: ascii(odd)[:20])
def test_an_odd_handle_of_slack_does_not_break_the_next_message(odd: Any, rig: Build) -> None:
    under_test = rig("slack")
    under_test.fake.script({"body": json.dumps({"ok": True, "channel": odd, "ts": odd})})
    first = under_test.channel.deliver(under_test.address, MESSAGE)

    second = under_test.channel.deliver(under_test.address, message(thread=first.thread, reference="second"))

    assert second.thread
    assert under_test.channel.find(under_test.address, "k7Qp2w", _LONG_AGO, first.thread) is None


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: ascii(odd)[:20])
def test_what_is_found_by_its_reference_may_be_odd_as_well(odd: Any, rig: Build) -> None:
    slack, sms = rig("slack"), rig("sms")
    slack.fake.script(
        {"body": json.dumps({"ok": True, "messages": [odd, {"metadata": odd}, {"ts": odd, "metadata": _METADATA}]})}
    )
    sms.fake.script(
        {"body": json.dumps({"messages": [{"sid": odd, "body": odd, "status": odd}, _texted(odd)], "uri": "/"})}
    )
    earlier = json.dumps({"channel": "C0000000", "ts": "1.0"})

    for found in (
        slack.channel.find("#payments", "k7Qp2w", _LONG_AGO, earlier),
        sms.channel.find(sms.address, "k7Qp2w", _LONG_AGO),
    ):
        assert found is not None
        fits(found)


@pytest.mark.parametrize("kind", ["slack", "sms", "postmark", "mailgun", "resend", "brevo"])
@pytest.mark.parametrize("odd", ODD, ids=lambda odd: ascii(odd)[:20])
def test_an_odd_refusal_fits_as_well(kind: str, odd: Any, rig: Build) -> None:
    under_test = rig(kind)
    refusal = dict.fromkeys(("error", "code", "message", "ErrorCode", "Message", "name", "detail", "status"), odd)
    under_test.fake.script({"status": 400, "body": json.dumps(refusal)})

    error = under_test.fails()

    f"{error.code}{error.detail}".encode()
    assert "\0" not in error.code + error.detail
    assert len(error.code) <= 100
    assert not error.channel_dead


def test_postmarks_answer_that_names_an_odd_recipient_is_no_refusal(rig: Build) -> None:
    under_test = rig("postmark")
    under_test.fake.script(
        {"body": {"To": "Nobody <", "MessageID": "1", "ErrorCode": 0, "Message": "OK"}, "status": 200},
    )

    error = under_test.fails()

    assert (error.result, error.target_dead) == (Result.UNCERTAIN, False)


@pytest.mark.parametrize(
    ("said", "to", "taken"),
    [
        ("OK", "other@shop.example", True),
        ("OK", "ONCALL@shop.example", True),
        (
            f"{INACTIVE}: other@shop.example. Inactive recipients",
            "oncall@shop.example",
            True,
        ),
        (
            f"{INACTIVE}: oncall@shop.example. Inactive recipients",
            "oncall@shop.example",
            False,
        ),
    ],
)
def test_only_what_is_said_of_our_recipient_refuses_the_message(rig: Build, said: str, to: str, taken: bool) -> None:
    under_test = rig("postmark")
    under_test.fake.script({"status": 200, "body": {"To": to, "MessageID": "1", "ErrorCode": 0, "Message": said}})

    if taken:
        assert under_test.channel.deliver(under_test.address, MESSAGE).provider_id == "1"
    else:
        failed = under_test.fails()
        assert (failed.result, failed.target_dead) == (Result.REJECTED, True)


def test_an_address_that_postmark_cannot_read_is_refused_without_killing_another(rig: Build) -> None:
    under_test = rig("postmark")
    body = {"ErrorCode": 300, "Message": "Error parsing 'To': Illegal email address 'Nobody <'."}
    under_test.fake.script({"status": 422, "body": body})

    assert under_test.fails().result is Result.REJECTED


@pytest.mark.parametrize(
    ("status", "error"), [(200, "fatal_error"), (200, "internal_error"), (500, "fatal_error"), (503, "internal_error")]
)
def test_what_slack_may_have_posted_is_looked_for_before_it_is_posted_again(
    rig: Build, status: int, error: str
) -> None:
    under_test = rig("slack")
    under_test.fake.script({"status": status, "body": {"ok": False, "error": error}, "taken": True})

    failed = under_test.fails()

    assert (failed.result, failed.code) == (Result.UNCERTAIN, error)
    thread = json.dumps({"channel": under_test.fake.messages[0]["channel"], "ts": "1.0"})
    found = under_test.channel.find(under_test.address, "k7Qp2w", _LONG_AGO, thread)
    assert found is not None
    assert len(under_test.fake.messages) == 1


class Careless(Channel):
    """A site's own channel that returns what it likes."""

    kind = "careless"
    answer: Any = None

    def send(self, address: str, message: Message) -> Receipt:
        return self.answer  # type: ignore[no-any-return]  # that it is none is the test


@pytest.mark.parametrize("answer", [None, "ok", 1, {}])
def test_a_channel_that_returns_no_receipt_has_perhaps_sent(answer: Any) -> None:
    careless = Careless({})
    careless.answer = answer

    with pytest.raises(DeliveryError) as caught:
        careless.deliver("a", MESSAGE)

    assert caught.value.result is Result.UNCERTAIN


numbers = st.integers() | st.floats() | st.booleans()
anything = st.none() | numbers | st.text(max_size=400) | st.binary() | st.lists(st.integers())


@given(anything, anything, anything, anything)
def test_whatever_a_channel_puts_into_a_receipt_fits(one: Any, two: Any, three: Any, four: Any) -> None:
    fits(Receipt(one, two, three, four))
    error = DeliveryError(Result.RETRY, one, two, retry_after=three)
    f"{error} {error.code} {error.detail}".encode()
    assert error.retry_after is None or 0 <= error.retry_after <= 86_400


def test_a_handle_too_long_for_its_column_is_none() -> None:
    assert Receipt(thread="x" * 300).thread == "x" * 300
    assert Receipt(thread="x" * 301).thread == ""


_METADATA = {"event_type": "stripe_alert", "event_payload": {"reference": "k7Qp2w"}}


def _texted(odd: Any) -> dict[str, Any]:
    return {"sid": odd, "body": "it broke k7Qp2w", "status": "queued"}
