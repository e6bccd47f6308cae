"""The admins get one mail for a cause and quarter of an hour, and none of what came meanwhile stays uncounted."""

from __future__ import annotations

from collections.abc import Iterator

import django
import pytest
from django.core import mail
from pytest_django import Settings

from alerts_runtime.isolation import last_resort
from tests.runtime.waiting import until


@pytest.fixture(autouse=True)
def _quick(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    settings.ADMINS = ["admin@shop.example"] if django.VERSION >= (6, 0) else [("", "admin@shop.example")]
    monkeypatch.setattr(last_resort, "MAIL_EVERY", 0.3)
    monkeypatch.setattr(last_resort, "_unsaid", {})
    yield
    until(lambda: not last_resort._unsaid)


def test_a_flood_of_one_cause_is_two_mails_of_which_the_second_counts() -> None:
    for number in range(301):
        last_resort.mail("slack: channel_not_found", f"alert {number}", "could not be delivered")

    until(lambda: len(mail.outbox) == 2)
    assert "alert 0" in mail.outbox[0].subject
    assert "300 more of this kind" in mail.outbox[1].body


def test_another_cause_does_not_wait() -> None:
    last_resort.mail("slack: channel_not_found", "one", "text")
    last_resort.mail("oncall: unsubscribed", "another", "text")

    until(lambda: len(mail.outbox) == 2)


def test_what_comes_after_the_quarter_of_an_hour_is_mailed_at_once() -> None:
    last_resort.mail("slack", "one", "text")
    until(lambda: not last_resort._unsaid)
    last_resort.mail("slack", "two", "text")

    until(lambda: len(mail.outbox) == 2)
    assert "more of this kind" not in mail.outbox[1].body
