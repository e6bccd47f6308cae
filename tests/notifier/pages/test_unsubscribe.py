"""Digests by mail can be unsubscribed from by one click, and wanted again; alerts keep coming."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
import time_machine
from django.core import mail
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from notifier import api
from notifier.delivery import tick
from notifier.delivery.courier import Courier
from notifier.messages import answer_link
from notifier.models import Attempt, Digest, Target
from tests.notifier.pages.conftest import mail_in_memory
from tests.notifier.scene import NOON

DAY = timedelta(days=1)
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def site(settings: Settings) -> None:
    settings.SITE_URL = "https://shop.example"
    settings.DEFAULT_FROM_EMAIL = "alerts@shop.example"
    mail_in_memory(settings)
    settings.NOTIFIER = {
        "CHANNELS": {"team": {"BACKEND": "email", "TO": ["ana@shop.example", "ben@shop.example"]}},
        "ROUTES": {"*": ["team"]},
        "DIGESTS": {"daily": {"AT": "08:00", "TO": ["team"]}},
        "LIMITS": {"team": {"RATES": []}},
        "TZ": "UTC",
    }


@pytest.fixture(autouse=True)
def clock(site: None) -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOON, tick=False) as travelled:
        tick.start_digests(NOON)  # the first is a mark
        yield travelled


def digests_of_a_day(clock: time_machine.Traveller) -> list[mail.EmailMessage]:
    clock.shift(DAY)
    return sent(clock)


def sent(clock: time_machine.Traveller) -> list[mail.EmailMessage]:
    before = len(mail.outbox)

    tick.start_digests(timezone.now())
    courier = Courier("team", start=lambda _name, call: call())
    for _ in range(6):
        courier.step()
    courier.close(1)
    return mail.outbox[before:]


def link(letter: mail.EmailMessage) -> str:
    found = re.fullmatch(r"<https://shop\.example(/\S+)>", letter.extra_headers["List-Unsubscribe"])
    assert found
    return found[1]


def test_one_click_and_back(clock: time_machine.Traveller) -> None:
    first = digests_of_a_day(clock)
    assert len(first) == 2
    to_ana = next(letter for letter in first if letter.to == ["ana@shop.example"])
    assert to_ana.extra_headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    path = link(to_ana)
    assert path in to_ana.body
    assert not any(path in text for text in Attempt.objects.values_list("text", flat=True))

    assert "a…@shop.example gets the digests" in Client().get(path).content.decode()
    assert len(digests_of_a_day(clock)) == 2  # to open it changed nothing

    response = Client(enforce_csrf_checks=True).post(path, {"List-Unsubscribe": "One-Click"})
    assert response.status_code == 200
    assert [letter.to for letter in digests_of_a_day(clock)] == [["ben@shop.example"]]
    assert Digest.objects.filter(outcome="unsubscribed", due_at=None).count() == 1
    api.alert("The ledger is closed", key="ledger", severity="error")
    assert len(sent(clock)) == 2  # of alerts they hear all the same

    Client().post(path, {"digests": "again"})
    assert len(digests_of_a_day(clock)) == 2


def test_a_link_that_was_forged_or_made_for_something_else_opens_nothing(clock: time_machine.Traveller) -> None:
    path = link(digests_of_a_day(clock)[0])
    start = path.rstrip("/").rsplit("/", 1)[0]
    for forged in ("1", "1:x", answer_link.token(Target.objects.all()[0].pk)):
        assert Client().post(f"{start}/{forged}/").status_code == 404
    assert not Target.objects.filter(no_digests_since__isnull=False).exists()


def test_without_https_there_is_no_one_click(clock: time_machine.Traveller, settings: Settings) -> None:
    settings.SITE_URL = "http://shop.example"
    assert "List-Unsubscribe" not in digests_of_a_day(clock)[0].extra_headers
