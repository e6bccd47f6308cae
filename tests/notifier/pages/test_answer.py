"""The link in a mail: it opens a page that asks, for who has it, for a time; and to open it changes nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
import time_machine
from django.core import mail, signing
from django.test import Client
from pytest_django import Settings

from notifier import api
from notifier.delivery.courier import Courier
from notifier.messages import answer_link
from notifier.models import Alert, Attempt, LogEntry, Notification, Silence
from tests.fakes.twilio import FakeTwilio
from tests.notifier.pages.conftest import mail_in_memory
from tests.notifier.scene import NOON

ANA = "ana@shop.example"
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def site(settings: Settings) -> None:
    settings.SITE_URL = "https://shop.example"
    settings.DEFAULT_FROM_EMAIL = "alerts@shop.example"
    mail_in_memory(settings)
    settings.NOTIFIER = {
        "CHANNELS": {"team": {"BACKEND": "email", "TO": [ANA]}},
        "PEOPLE": {"ana": {"NAME": "Ana", "ADDRESSES": {"email": ANA}}},
        "ROUTES": {"*": ["team"]},
        "TZ": "UTC",
    }


@pytest.fixture(autouse=True)
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOON, tick=False) as travelled:
        yield travelled


def work(alias: str = "team") -> None:
    courier = Courier(alias, start=lambda _name, call: call())
    for _ in range(4):
        courier.step()
    courier.close(1)


def mailed() -> tuple[Alert, str]:
    """An alert, and the path of the link in the mail about it."""
    api.alert("The ledger is closed", key="ledger", severity="error")
    work()
    [path] = re.findall(r"https://shop\.example(/\S+/answer/\S+)", str(mail.outbox[-1].body))
    return Alert.objects.get(), path


def test_the_mail_has_the_link_and_what_is_kept_of_it_has_not() -> None:
    _, path = mailed()
    letter = mail.outbox[-1]
    assert isinstance(letter, mail.EmailMultiAlternatives)
    html = str(letter.alternatives[0][0])
    assert f'href="https://shop.example{path}"' in html
    assert path not in Attempt.objects.get().text


def test_to_open_it_changes_nothing_and_uses_nothing_up() -> None:
    alert, path = mailed()
    for method in ("get", "head", "get"):
        response = getattr(Client(), method)(path)
        assert response.status_code == 200
    page = Client().get(path).content.decode()
    assert "The ledger is closed" in page
    assert "nobody has acknowledged it" in page
    assert not LogEntry.objects.exists()
    alert.refresh_from_db()
    assert alert.acknowledged_until is None
    assert response["Referrer-Policy"] == "no-referrer"
    assert "no-store" in response["Cache-Control"]


def test_its_buttons_answer_as_who_was_told() -> None:
    alert, path = mailed()
    page = Client(enforce_csrf_checks=True).post(path, {"answer": "acknowledge"})
    assert f"Alert {alert.pk}: acknowledged until 20:00 UTC." in page.content.decode()
    assert "Take back" in page.content.decode()
    entry = LogEntry.objects.get()
    assert (entry.who, entry.through, entry.verb) == ("Ana", "link", "acknowledge")
    work()
    assert len(mail.outbox) == 1  # she knows
    again = Client().post(path, {"answer": "acknowledge"}).content.decode()
    assert "Ana acknowledged it just now" in again
    Client().post(path, {"answer": "silence-4h"})
    assert Silence.objects.get().author == "Ana"
    ended = Client().post(path, {"answer": "end-silence"}).content.decode()
    assert "its kind is told again" in ended
    assert "Silence 4 h" in ended
    Client().post(path, {"answer": "resolve"})
    work()
    assert "over since 12:00 UTC, by Ana" in Client().get(path).content.decode()
    assert "/answer/" not in str(mail.outbox[-1].body)  # it is over, and there is nothing to answer


@pytest.mark.parametrize("answer", ["", "escalate", "GET", "acknowledge\0"])
def test_a_button_that_there_is_not_does_nothing(answer: str) -> None:
    _, path = mailed()
    assert Client().post(path, {"answer": answer}).status_code == 200
    assert not LogEntry.objects.exists()


def test_it_expires(clock: time_machine.Traveller) -> None:
    alert, path = mailed()
    clock.shift(timedelta(days=3, seconds=1))
    page = Client().post(path, {"answer": "resolve"})
    assert page.status_code == 410
    assert "This link has expired" in page.content.decode()
    alert.refresh_from_db()
    assert alert.resolved_at is None


def test_a_link_that_was_forged_or_made_for_something_else_opens_nothing() -> None:
    _, path = mailed()
    start, token = path.rstrip("/").rsplit("/", 1)
    row = Notification.objects.get()
    other = signing.TimestampSigner(salt="notifier.unsubscribe").sign(str(row.pk))
    assert answer_link.read(token) == (row.pk, True)
    of_another = f"{row.pk + 1}{token[len(str(row.pk)) :]}"
    for forged in (token[:-1] + ("a" if token[-1] != "a" else "b"), of_another, other, "1"):
        assert Client().post(f"{start}/{forged}/", {"answer": "resolve"}).status_code == 404
    assert not LogEntry.objects.exists()


def test_a_page_by_sms_ends_with_it_where_that_is_asked_for(settings: Settings) -> None:
    with FakeTwilio() as twilio:
        settings.TWILIO_ACCOUNT_SID, settings.TWILIO_AUTH_TOKEN = "AC" + "0" * 32, "token"
        settings.TWILIO_FROM, settings.TWILIO_API_URL = "+15005550006", twilio.url
        to = {"BACKEND": "sms", "TO": ["+4915112345678"], "OPTIONS": {"links": True}}
        settings.NOTIFIER = {"CHANNELS": {"oncall": to}, "ROUTES": {"*": ["oncall"]}}
        api.alert("The ledger is closed", key="ledger", severity="critical")
        work("oncall")
        [message] = twilio.messages
    [path] = re.findall(r"https://shop\.example(/\S+)", message["body"])
    assert Client().get(path).status_code == 200
    assert "[link]" in Attempt.objects.get().text
    assert path not in Attempt.objects.get().text
