"""`manage.py check` finds what would fail at the first alert: tokens of the wrong kind, backends that are not there."""

from __future__ import annotations

from typing import Any

import django
import pytest
from django.core.checks import CheckMessage
from pytest_django import Settings

from notifier.channels import load, mail_backend
from notifier.checks import check_notifier
from tests.notifier.test_checks import BASE

SMTP = "django.core.mail.backends.smtp.EmailBackend"
SERVICE = "MG" + "0" * 32
OPTIONS: list[tuple[str, dict[str, object], dict[str, str]]] = [
    ("slack", {"token": "xoxb-made-up"}, {}),
    ("slack", {"token": "xoxp-made-up"}, {"token": "is a user's token"}),
    ("slack", {"token": "xapp-made-up"}, {"token": "is an app-level token"}),
    ("slack", {"token": "https://hooks.slack.com/services/T0/B0/x"}, {"token": "is the URL of an incoming webhook"}),
    ("slack", {"token": "xoxb-made-up", "app_token": "xapp-made-up"}, {}),
    ("slack", {"app_token": "xoxb-made-up"}, {"app_token": "is not an app-level token"}),
    ("slack", {"token": "made-up"}, {"token": "is not the token of a Slack bot"}),
    ("slack", {"token": "xoxb-made-up", "base_url": "slack.com/api/"}, {"base_url": "is not a URL"}),
    ("slack_webhook", {"url": "https://hooks.slack.com/services/T0/B0/x"}, {}),
    ("slack_webhook", {"url": "hooks.slack.com/services/T0/B0/x"}, {"url": "is not a URL"}),
    ("slack_webhook", {"url": "xoxb-made-up"}, {"url": "is a token"}),
    ("sms", {"account_sid": "AC1", "auth_token": "made-up", "from": "+15005550006"}, {}),
    ("sms", {"account_sid": "AC1", "auth_token": "made-up", "from": SERVICE}, {}),
    ("sms", {"account_sid": "AC1", "auth_token": "made-up", "from": "Shop alerts"}, {}),
    ("sms", {"account_sid": "AC1", "auth_token": "made-up", "from": "12345"}, {}),
    ("sms", {"from": "12345", "inbound": "https://shop.example/notifier/twilio/answers/"}, {}),
    ("sms", {"from": "Shop alerts", "inbound": "https://shop.example/"}, {"inbound": "is set, and a sender's name"}),
    ("sms", {"inbound": "shop.example/notifier/twilio/answers/"}, {"inbound": "is not a URL"}),
    ("sms", {"account_sid": "SK1"}, {"account_sid": "is the SID of an API key, not"}),
    ("sms", {"account_sid": "made-up"}, {"account_sid": "is not the SID of an account"}),
    ("sms", {"auth_token": "SK1"}, {"auth_token": "is a SID"}),
    ("sms", {"from": "0151 23456789"}, {"from": "can send no SMS"}),
    ("sms", {"from": "The alerts of the shop"}, {"from": "can send no SMS"}),
    ("email", {"backend": SMTP, "from_email": "Alerts <alerts@example.com>"}, {}),
    ("email", {"from_email": "alerts@localhost"}, {"from_email": "is not an address that providers send from"}),
    ("email", {"from_email": "alerts"}, {"from_email": "is not an address"}),
    ("email", {"backend": "anymail.backends.postmrk.EmailBackend"}, {"backend": "cannot be imported: No module"}),
    ("email", {"backend": "anymail.backends.postmark.Backend"}, {"backend": "cannot be imported: Module"}),
    ("email", {"backend": "anymail.backends.postmark.EmailBackend"}, {"backend": "cannot be used: You must set"}),
]


@pytest.mark.parametrize(("kind", "options", "expected"), OPTIONS)
def test_what_is_wrong_is_said_by_its_option(kind: str, options: dict[str, object], expected: dict[str, str]) -> None:
    found = {option: text for option, text, _ in load(kind).wrong_options(options)}
    assert found.keys() == expected.keys()
    for option, words in expected.items():
        assert found[option].startswith(words)
        assert str(options[option]) not in found[option].removeprefix("cannot be imported")


def messages(settings: Settings, **given: Any) -> list[CheckMessage]:
    settings.NOTIFIER = BASE
    settings.DEBUG = settings.DEMO = False
    credentials = {
        "SLACK_BOT_TOKEN": "xoxb-made-up",
        "TWILIO_ACCOUNT_SID": "AC-made-up",
        "TWILIO_AUTH_TOKEN": "made-up",
        "TWILIO_FROM": "+15005550006",
        "EMAIL_BACKEND_PATH": SMTP,
        "DEFAULT_FROM_EMAIL": "alerts@example.com",
    }
    for name, value in (credentials | given).items():
        setattr(settings, name, value)
    return check_notifier()


def test_credentials_that_can_work_are_no_problem(settings: Settings) -> None:
    assert messages(settings) == []


def test_a_wrong_one_is_an_error_that_names_its_setting_and_not_its_value(settings: Settings) -> None:
    [message] = messages(settings, SLACK_BOT_TOKEN="xoxp-made-up")
    assert message.id == "notifier.E008"
    assert message.msg == 'NOTIFIER["CHANNELS"]["slack"]: SLACK_BOT_TOKEN is a user\'s token.'
    assert message.hint == "A bot's token begins with xoxb-."


@pytest.mark.parametrize(
    ("changes", "place", "hint"),
    [
        (
            {"ROUTES": [{"match": {"event": "invoice.payed"}, "to": "slack"}, {"to": ["slack", "oncall"]}]},
            'NOTIFIER["ROUTES"][0]["match"]["event"]',
            'Did you mean "invoice.paid"?',
        ),
        (
            {"INHIBIT": [{"parent": {"event": "invoice"}, "child": {"category": "data"}}]},
            'NOTIFIER["INHIBIT"][0]["parent"]["event"]',
            "Stripe's list",
        ),
        ({"EXPECT": {"charge.suceeded": "6h"}}, 'NOTIFIER["EXPECT"]["charge.suceeded"]', '"charge.succeeded"?'),
        (
            {"CLASSIFY": [{"match": {"event": ["invoice.*", "invioce.*"]}, "severity": "error"}]},
            'NOTIFIER["CLASSIFY"][0]["match"]["event"]',
            "Stripe's list",
        ),
    ],
)
def test_event_types_that_stripe_has_not_are_doubted(
    settings: Settings, changes: dict[str, Any], place: str, hint: str
) -> None:
    settings.NOTIFIER = BASE | changes
    [message] = [one for one in check_notifier() if "Stripe has no event type" in one.msg]
    assert message.msg.startswith(f"{place}: Stripe has no event type")
    assert hint in (message.hint or "")


class OfAnotherSite:
    """Settings of a site that is not this one: it has no EMAIL_BACKEND_PATH."""

    def __init__(self, **given: Any) -> None:
        self.__dict__ |= {"EMAIL_BACKEND": SMTP, **given}
        self.given = given

    def is_overridden(self, name: str) -> bool:
        return name in self.given


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, ""),  # Django's own default
        ({"EMAIL_BACKEND": "shop.mail.Backend"}, "shop.mail.Backend"),
        ({"EMAIL_HOST": "smtp.example.com"}, SMTP),
        ({"EMAIL_BACKEND_PATH": ""}, ""),
    ],
)
def test_djangos_own_mail_settings_are_read_as_they_are(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], expected: str
) -> None:
    monkeypatch.setattr(mail_backend, "settings", OfAnotherSite(**given))
    assert mail_backend.backend() == expected
    assert mail_backend.setting() == "EMAIL_BACKEND"


@pytest.mark.skipif(django.VERSION < (6, 1), reason="MAILERS is Django 6.1's")
def test_mailers_are_read_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail_backend, "settings", OfAnotherSite(MAILERS={"default": {"BACKEND": SMTP}}))
    assert (mail_backend.backend(), mail_backend.setting()) == (SMTP, "MAILERS")
