"""Providers on loopback, one of each for all tests, and a channel that speaks to each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, TypeVar

import botocore.session
import django
import pytest
from pytest_django import Settings

from notifier.channels import load, memory
from notifier.channels.base import Channel
from notifier.facts import DeliveryError, Link, Message, Reason, Severity
from tests.fakes import Fake
from tests.fakes.esp import FakeEsp
from tests.fakes.slack import FakeSlack
from tests.fakes.smtp import FakeSmtp
from tests.fakes.twilio import FakeTwilio

F = TypeVar("F", bound=Fake)
SLACK_TOKEN = "xoxb-0000-slacktokenslacktoken"
TWILIO_TOKEN = "twiliotokentwiliotoken0123456789"
ESP_TOKEN = "esptoken-esptoken-esptoken"
PHONE = "+14155552671"
HTTP_KINDS = ("slack", "slack_webhook", "sms", "voice", "postmark", "mailgun", "resend", "brevo", "amazon_ses")
TIMEOUT = 5.0  # seconds; a busy machine must not make an answer late
SHORT_TIMEOUT = 0.3  # for answers that are to be late
TOO_LATE = 1.5

MESSAGE = Message(
    reason=Reason.FIRST,
    severity=Severity.CRITICAL,
    title="invoice.paid cannot be processed, database unavailable",
    summary=(
        "EUR 1,250.00 at risk · live · customer cus_9s6XKzkNRiz8i3 · 1 event",
        "OperationalError: server closed the connection in billing/handlers.py:84 record_payment",
    ),
    action="check the database first. Nothing is lost: the event is stored.",
    footer=('sent because: first failure (route "page")',),
    links=(Link("Open alert 118", "https://shop.example/alerts/118?a=1&b=2"),),
    short="CRIT invoice.paid: database unavailable. 1 event, EUR 1,250.00 at risk. Alert 118.",
    subject="[critical] invoice.paid: database unavailable (1 event, EUR 1,250.00)",
    html="<p>EUR 1,250.00 at risk</p>",
    text="Critical: invoice.paid cannot be processed\nEUR 1,250.00 at risk",
    reference="k7Qp2w",
)


def message(**changes: Any) -> Message:
    return replace(MESSAGE, **changes)


@dataclass
class Rig:
    """A channel, the provider it speaks to, and what must never be seen in an error or a log."""

    channel: Channel
    address: str
    fake: Fake
    secrets: tuple[str, ...]
    make: Callable[[str, float], Channel] = field(repr=False)  # the same channel at another base URL

    def move(self, url: str, timeout: float = TIMEOUT) -> None:
        self.channel = self.make(url, timeout)

    def hurry(self) -> None:
        self.move(self.fake.url, SHORT_TIMEOUT)

    def fails(self, sent: Message = MESSAGE) -> DeliveryError:
        with pytest.raises(DeliveryError) as caught:
            self.channel.deliver(self.address, sent)
        return caught.value


@pytest.fixture(scope="session", autouse=True)
def _amazons_services_are_read_once() -> Iterator[None]:
    """Each of boto3's sessions would read them anew, a hundred of them in these tests."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(botocore.session, "create_loader", cache(botocore.session.create_loader))
        yield


@pytest.fixture(scope="session")
def fakes() -> Iterator[dict[type[Fake], Fake]]:
    with ExitStack() as stack:
        kinds: tuple[type[Fake], ...] = (FakeSlack, FakeTwilio, FakeEsp, FakeSmtp)
        yield {kind: stack.enter_context(kind()) for kind in kinds}


@pytest.fixture
def slack(fakes: dict[type[Fake], Fake]) -> FakeSlack:
    return _fresh(fakes, FakeSlack)


@pytest.fixture
def twilio(fakes: dict[type[Fake], Fake]) -> FakeTwilio:
    return _fresh(fakes, FakeTwilio)


@pytest.fixture
def esp(fakes: dict[type[Fake], Fake]) -> FakeEsp:
    return _fresh(fakes, FakeEsp)


@pytest.fixture
def smtp(fakes: dict[type[Fake], Fake]) -> FakeSmtp:
    return _fresh(fakes, FakeSmtp)


@pytest.fixture(autouse=True)
def _empty_memory() -> None:
    memory.clear()


@pytest.fixture
def backend(settings: Settings) -> Callable[..., None]:
    """Sets the mail backend in the way of the Django that runs; `anymail` are Anymail's settings."""

    def use(path: str, *, anymail: dict[str, Any] | None = None, **options: Any) -> None:
        settings.ANYMAIL = anymail or {}
        if django.VERSION >= (6, 1):
            settings.MAILERS = {"default": {"BACKEND": path, "OPTIONS": options}}
            return
        settings.EMAIL_BACKEND = path
        names = {"host": "EMAIL_HOST", "port": "EMAIL_PORT", "username": "EMAIL_HOST_USER"}
        names |= {"password": "EMAIL_HOST_PASSWORD", "use_tls": "EMAIL_USE_TLS", "use_ssl": "EMAIL_USE_SSL"}
        for name, value in options.items():
            setattr(settings, names[name], value)

    return use


@pytest.fixture
def rig(slack: FakeSlack, twilio: FakeTwilio, esp: FakeEsp, backend: Callable[..., None]) -> Callable[[str], Rig]:
    def build(kind: str) -> Rig:
        if kind == "slack":
            return _rig(slack, lambda url, timeout: _slack(f"{url}/api/", timeout), "#payments", SLACK_TOKEN)
        if kind == "slack_webhook":
            path = slack.webhook_url.removeprefix(slack.url)
            return _rig(slack, lambda url, timeout: _webhook(url + path, timeout), "#payments", path.rpartition("/")[2])
        if kind == "sms":
            return _rig(twilio, _sms, PHONE, TWILIO_TOKEN)
        if kind == "voice":
            return _rig(twilio, lambda url, timeout: _sms(url, timeout, "voice"), PHONE, TWILIO_TOKEN)
        return _rig(esp, lambda url, timeout: _esp(kind, url, timeout, backend), "oncall@shop.example", ESP_TOKEN)

    return build


def _fresh(fakes: dict[type[Fake], Fake], kind: type[F]) -> F:
    fake = fakes[kind]
    assert isinstance(fake, kind)
    fake.reset()
    return fake


def _rig(fake: Fake, make: Callable[[str, float], Channel], address: str, *secrets: str) -> Rig:
    return Rig(make(fake.url, TIMEOUT), address, fake, secrets, make)


def _slack(url: str, timeout: float) -> Channel:
    return load("slack")({"token": SLACK_TOKEN, "base_url": url, "timeout": timeout})


def _webhook(url: str, timeout: float) -> Channel:
    return load("slack_webhook")({"url": url, "timeout": timeout})


def _sms(url: str, timeout: float, kind: str = "sms") -> Channel:
    account = {"account_sid": "AC00000000000000000000000000000000", "auth_token": TWILIO_TOKEN}
    return load(kind)({**account, "from": "+15005550006", "base_url": url, "timeout": timeout})


def _esp(kind: str, url: str, timeout: float, backend: Callable[..., None]) -> Channel:
    path = f"anymail.backends.{kind}.EmailBackend"
    aws = {"aws_access_key_id": "AKIAIOSFODNN7EXAMPLE", "aws_secret_access_key": ESP_TOKEN}
    anymail: dict[str, dict[str, Any]] = {
        "postmark": {"POSTMARK_SERVER_TOKEN": ESP_TOKEN, "POSTMARK_API_URL": f"{url}/"},
        "mailgun": {"MAILGUN_API_KEY": ESP_TOKEN, "MAILGUN_API_URL": f"{url}/v3"},
        "resend": {"RESEND_API_KEY": ESP_TOKEN, "RESEND_API_URL": f"{url}/"},
        "brevo": {"BREVO_API_KEY": ESP_TOKEN, "BREVO_API_URL": f"{url}/v3/"},
        "amazon_ses": {"AMAZON_SES_CLIENT_PARAMS": {"endpoint_url": url, "region_name": "eu-central-1", **aws}},
    }
    backend(path, anymail=anymail[kind])
    return load("email")({"from_email": "alerts@shop.example", "backend": path, "timeout": timeout})
