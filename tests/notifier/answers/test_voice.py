"""A page by telephone: what it says, which keys it hears, and that nothing else is an answer."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
import time_machine
from django.test import Client
from pytest_django import Settings
from twilio.request_validator import RequestValidator

from notifier import api
from notifier.channels import memory
from notifier.delivery.courier import Courier
from notifier.models import Alert, Attempt, LogEntry
from tests.fakes.twilio import FakeTwilio
from tests.notifier.scene import NOON

TOKEN = "twilio-token-of-these-tests"
URL = "https://shop.example/notifier/twilio/voice/"
ANA, BEN = "+4915112345678", "+4915112345679"
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def twilio(settings: Settings) -> Iterator[FakeTwilio]:
    with FakeTwilio() as fake, time_machine.travel(NOON, tick=False):
        settings.SITE_URL = "https://shop.example"
        settings.TWILIO_ACCOUNT_SID = "AC" + "0" * 32
        settings.TWILIO_AUTH_TOKEN = TOKEN
        settings.TWILIO_VOICE_FROM = "+15005550006"
        settings.TWILIO_VOICE_ANSWERS = URL
        settings.TWILIO_API_URL = fake.url
        settings.NOTIFIER = {
            "CHANNELS": {
                "call": {"BACKEND": "voice", "TO": [ANA, BEN]},
                "chat": {"BACKEND": "memory", "TO": ["chat"]},
            },
            "PEOPLE": {"ana": {"NAME": "Ana", "ADDRESSES": {"voice": ANA}}},
            "ROUTES": {"critical": ["call", "chat"], "*": []},
            "LIMITS": {"call": {"RATES": ["60/1h"]}},
            "TZ": "UTC",
        }
        yield fake


def work(*aliases: str) -> None:
    for alias in aliases or ("call", "chat"):
        courier = Courier(alias, start=lambda _name, call: call())
        for _ in range(6):
            courier.step()
        courier.close(1)


def called(twilio: FakeTwilio) -> tuple[Alert, str, str]:
    """An alert, what Ana's call says, and where her keys go."""
    api.alert("The ledger is closed", key="ledger", severity="critical")
    work()
    twiml = next(call["twiml"] for call in twilio.messages if call["to"] == ANA)
    [action, _] = re.findall(r'action="([^"]+)"', twiml)
    return Alert.objects.get(), twiml, html.unescape(action)


def press(action: str, digits: str, to: str = ANA, *, sid: str = "CA1", token: str = TOKEN) -> tuple[int, str]:
    fields = {"CallSid": sid, "To": to, "From": "+15005550006", "Digits": digits}
    parts = urlsplit(action)
    signature = RequestValidator(token).compute_signature(action, fields)
    headers = {"X-Twilio-Signature": signature}
    response = Client().post(f"{parts.path}?{parts.query}", fields, headers=headers)
    found = re.search(r"<Say>(.*?)</Say>", response.content.decode())
    return response.status_code, html.unescape(found[1]) if found else ""


def test_it_says_what_is_wrong_twice_and_hears_a_key(twilio: FakeTwilio) -> None:
    alert, twiml, action = called(twilio)
    assert twiml.count("<Say>Critical: The ledger is closed") == 2
    assert twiml.count("Press 4 to acknowledge, 6 for the next person.") == 2
    assert action.startswith(f"{URL}?link=")
    assert action.rpartition("=")[2] not in Attempt.objects.filter(target__address=ANA)[0].text

    assert press(action, "4") == (200, f"Alert {alert.pk}: acknowledged until 20:00 UTC.")
    entry = LogEntry.objects.get()
    assert (entry.who, entry.through, entry.verb) == ("Ana", "voice", "acknowledge")
    calls = len(twilio.messages)
    work()
    assert len(twilio.messages) == calls  # nobody is called to hear that somebody has it
    assert memory.outbox[-1].message.news == "Ana acknowledged it by telephone, until 20:00 UTC"


def test_six_hands_it_on(twilio: FakeTwilio) -> None:
    alert, _, action = called(twilio)
    assert press(action, "6") == (200, f"Alert {alert.pk}: no step of escalation is left.")


@pytest.mark.parametrize("digits", ["", "5", "44", "*"])
def test_another_key_does_nothing(twilio: FakeTwilio, digits: str) -> None:
    _, _, action = called(twilio)
    assert press(action, digits) == (200, "This key does nothing. Nothing was done.")
    assert not LogEntry.objects.exists()


def test_the_same_key_of_one_call_is_heard_once(twilio: FakeTwilio) -> None:
    _, _, action = called(twilio)
    assert press(action, "4") == press(action, "4")
    assert LogEntry.objects.count() == 1


def test_a_forged_key_and_that_of_another_call_change_nothing(twilio: FakeTwilio) -> None:
    _, _, action = called(twilio)
    assert press(action, "4", token="another")[0] == 403
    assert press(action, "4", to=BEN) == (200, "This call can answer nothing any more.")
    assert press(f"{URL}?link=1:x:y", "4") == (200, "This call can answer nothing any more.")
    assert not LogEntry.objects.exists()


def test_without_an_address_for_the_keys_it_only_says_it(twilio: FakeTwilio, settings: Settings) -> None:
    settings.TWILIO_VOICE_ANSWERS = ""
    api.alert("The ledger is closed", key="ledger", severity="critical")
    work("call")
    assert "<Gather" not in twilio.messages[0]["twiml"]
    assert press(f"{URL}?link=1", "4")[0] == 404
