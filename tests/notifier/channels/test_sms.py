"""SMS through Twilio: what is sent, what it costs, and what each refusal means."""

from __future__ import annotations

import logging
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from notifier.channels.gsm7 import BASIC, EXTENDED, segments
from notifier.channels.sms import Sms
from notifier.facts import DeliveryError, Message, Reason, Result
from tests.fakes import Request
from tests.fakes.twilio import FakeTwilio
from tests.notifier.channels.conftest import MESSAGE, PHONE, TIMEOUT, TWILIO_TOKEN, message

RETRY, REJECTED, UNCERTAIN = Result.RETRY, Result.REJECTED, Result.UNCERTAIN
ACCOUNT = "AC00000000000000000000000000000000"
RECENTLY = timedelta(minutes=1)


def sms(twilio: FakeTwilio, **options: object) -> Sms:
    known = {"account_sid": ACCOUNT, "auth_token": TWILIO_TOKEN, "from": "+15005550006", "base_url": twilio.url}
    return Sms({**known, "timeout": TIMEOUT, **options})


def fails(channel: Sms, address: str = PHONE, sent: Message = MESSAGE) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        channel.deliver(address, sent)
    return caught.value


def fields(twilio: FakeTwilio) -> dict[str, str]:
    return Request(**twilio.received[-1]).fields


def test_sends_the_short_text_with_its_reference(twilio: FakeTwilio) -> None:
    receipt = sms(twilio).deliver(PHONE, MESSAGE)

    assert fields(twilio) == {
        "To": PHONE,
        "From": "+15005550006",
        "Body": "CRIT invoice.paid: database unavailable. 1 event, EUR 1,250.00 at risk. Alert 118. k7Qp2w",
        "ValidityPeriod": "3600",
    }
    assert fields(twilio)["Body"] == sms(twilio).words(MESSAGE), "what its attempt keeps is what was sent"
    assert twilio.received[0]["path"] == f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
    assert twilio.received[0]["headers"]["connection"] == "close"
    assert (receipt.provider_id, receipt.parts) == (twilio.messages[0]["sid"], 1)
    assert (receipt.thread, receipt.note) == ("", "")


def test_sends_through_a_messaging_service(twilio: FakeTwilio) -> None:
    sms(twilio, **{"from": f"MG{7:032x}", "validity_period": 600}).deliver(PHONE, MESSAGE)

    assert fields(twilio)["MessagingServiceSid"] == f"MG{7:032x}"
    assert fields(twilio)["ValidityPeriod"] == "600"
    assert "From" not in fields(twilio)


def test_a_long_text_costs_two_segments_and_no_more(twilio: FakeTwilio) -> None:
    receipt = sms(twilio).deliver(PHONE, message(short="“long” € " * 60))

    body = fields(twilio)["Body"]
    assert (receipt.parts, segments(body)) == (2, 2)
    assert set(body) <= BASIC | EXTENDED
    assert body.endswith("... k7Qp2w")


def test_without_a_short_text_it_sends_the_headline(twilio: FakeTwilio) -> None:
    sms(twilio).deliver(PHONE, message(short=""))

    assert fields(twilio)["Body"] == "Critical: invoice.paid cannot be processed, database unavailable k7Qp2w"


def test_a_possible_repeat_says_so(twilio: FakeTwilio) -> None:
    sms(twilio).deliver(PHONE, message(possible_repeat=True))

    assert fields(twilio)["Body"].startswith("Repeat? CRIT invoice.paid")


@pytest.mark.parametrize(
    ("status", "code", "result", "dead"),
    [
        (400, 21211, REJECTED, True),  # not a number
        (400, 21614, REJECTED, True),  # not a mobile
        (400, 21610, REJECTED, True),  # STOP
        (401, 20003, REJECTED, True),  # credentials
        (400, 21212, REJECTED, True),
        (400, 21408, REJECTED, False),
        (400, 21606, REJECTED, False),
        (400, 21608, REJECTED, False),
        (400, 21612, REJECTED, False),
        (400, 21617, REJECTED, False),
        (400, 99999, REJECTED, False),  # never heard of: the status decides
        (429, 20429, RETRY, False),
        (400, 20429, RETRY, False),  # the one code that says more than its status
        (429, 99999, RETRY, False),
        (500, 20500, UNCERTAIN, False),
        (503, 21211, RETRY, False),  # a failing provider's code is not believed
    ],
)
@pytest.mark.parametrize("family", ["TwilioRestException", "TwilioServiceException"])
def test_each_refusal_has_its_meaning(
    twilio: FakeTwilio, status: int, code: int, result: Result, dead: bool, family: str
) -> None:
    body = {"code": code, "message": f"no to {PHONE}\nnever", "status": status}
    if family == "TwilioServiceException":
        body |= {"type": "https://www.twilio.com/docs/errors", "title": "No", "detail": f"no to {PHONE}\nnever"}
    twilio.script({"status": status, "body": body, "headers": {"Retry-After": "11"}})

    error = fails(sms(twilio))

    assert (error.result, error.code, error.target_dead) == (result, str(code), dead)
    assert error.retry_after == (None if result is REJECTED else 11.0)
    assert error.detail
    assert PHONE not in str(error)
    assert "\n" not in str(error)


def test_an_answer_without_a_code_is_told_by_its_status(twilio: FakeTwilio) -> None:
    twilio.script({"status": 502, "body": "<html>bad gateway</html>"})

    assert fails(sms(twilio)).code == "http_502"


def test_retry_after_belongs_to_the_thread_that_was_told_it(twilio: FakeTwilio) -> None:
    channel = sms(twilio)
    channel.deliver(PHONE, MESSAGE)
    slow = {"status": 429, "headers": {"Retry-After": "1"}, "delay": 0.2, "match": "Messages"}
    twilio.script(slow, {"status": 429, "headers": {"Retry-After": "2"}})
    told: list[float | None] = []
    thread = threading.Thread(target=lambda: told.append(fails(channel).retry_after))
    thread.start()
    while len(twilio.received) < 2:  # the slow one has been asked
        thread.join(0.01)

    assert fails(channel).retry_after == 2.0
    thread.join()
    assert told == [1.0]


@pytest.mark.parametrize(
    ("reference", "status", "age", "found"),
    [
        ("k7Qp2w", "queued", RECENTLY, True),
        ("k7Qp2w", "delivered", RECENTLY, True),
        ("k7Qp2w", "undelivered", RECENTLY, False),  # taken, and lost: send another
        ("k7Qp2w", "failed", RECENTLY, False),
        ("k7Qp", "queued", RECENTLY, False),  # a part of another reference
        ("k7Qp2w", "queued", -timedelta(hours=1), False),  # before the try began
    ],
)
def test_finds_a_message_by_its_reference(
    twilio: FakeTwilio, reference: str, status: str, age: timedelta, found: bool
) -> None:
    channel = sms(twilio)
    channel.deliver(PHONE, MESSAGE)
    twilio.messages[0]["status"] = status

    receipt = channel.find(PHONE, reference, datetime.now(UTC) - age)

    assert (receipt is not None) is found
    if receipt:
        assert (receipt.provider_id, receipt.parts) == (twilio.messages[0]["sid"], 1)


def test_logs_no_number(twilio: FakeTwilio, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    channel = sms(twilio)
    channel.deliver(PHONE, MESSAGE)
    channel.find(PHONE, "k7Qp2w", datetime.now(UTC) - RECENTLY)

    assert PHONE[1:] not in caplog.text  # Twilio's client would log what it asks for


def test_does_not_find_what_went_to_another(twilio: FakeTwilio) -> None:
    channel = sms(twilio)
    channel.deliver("+14155550100", MESSAGE)

    assert channel.find(PHONE, "k7Qp2w", datetime.now(UTC) - RECENTLY) is None


def test_a_message_taken_before_the_connection_broke_is_found(twilio: FakeTwilio) -> None:
    channel = sms(twilio)
    began = datetime.now(UTC)
    twilio.script({"broken": "reset", "taken": True})

    assert fails(channel).result is UNCERTAIN
    assert channel.find(PHONE, "k7Qp2w", began) is not None


@pytest.mark.parametrize(
    "step", [{"status": 503}, {"status": 429}, {"broken": "closed"}, {"body": "[]"}, {"body": "not JSON"}]
)
def test_asking_is_never_uncertain(twilio: FakeTwilio, step: dict[str, Any]) -> None:
    twilio.script(step)

    with pytest.raises(DeliveryError) as caught:
        sms(twilio).find(PHONE, "k7Qp2w", datetime.now(UTC) - RECENTLY)
    assert caught.value.result is RETRY


def test_an_account_that_may_not_read_finds_nothing(twilio: FakeTwilio) -> None:
    twilio.script({"status": 403, "body": {"code": 20003, "message": "no", "status": 403}})

    assert sms(twilio).find(PHONE, "k7Qp2w", datetime.now(UTC) - RECENTLY) is None


def test_folded_news_is_sent_as_it_was_written(twilio: FakeTwilio) -> None:
    text = "4 alerts, worst CRIT: invoice.paid database unavailable (413), +3. Alerts 118-121."

    sms(twilio).deliver(PHONE, message(reason=Reason.UPDATE, short=text))

    assert fields(twilio)["Body"] == f"{text} k7Qp2w"


@pytest.mark.parametrize(
    ("address", "fine"),
    [
        ("+14155552671", True),
        ("+4915123456789", True),
        ("+15005550006", True),  # Twilio's own, for tests
        ("+1 415 555 2671", False),  # has to be written without spaces
        ("14155552671", False),
        ("4155552671", False),
        ("+1415", False),
        ("+999123456789", False),
        ("#payments", False),
        ("", False),
    ],
)
def test_says_what_is_wrong_with_a_number(address: str, fine: bool) -> None:
    assert (Sms.check_address(address) is None) is fine


def test_says_how_to_write_a_number() -> None:
    assert "+14155552671" in (Sms.check_address("+1 (415) 555-2671") or "")
