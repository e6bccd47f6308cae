"""One night: a failure at 02:10, two people, their answers, and a digest in the morning. Everything comes in over HTTP,
signed as its sender signs it, and goes out to the providers' APIs; only the clock is the test's."""

from __future__ import annotations

import html
import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import django
import pytest
import requests
import time_machine
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from notifier.answers import slack_work
from notifier.config.conf import get_policy
from notifier.delivery import tick
from notifier.delivery.courier import Courier
from notifier.models import Alert, LogEntry
from tests.acceptance import night as signed
from tests.acceptance.night import ANA, BEN, NOTIFIER, PUBLIC, SECRET, STRANGER, code_of
from tests.acceptance.site import same_on_each_engine
from tests.fakes.esp import FakeEsp
from tests.fakes.slack import FakeSlack
from tests.fakes.twilio import FakeTwilio
from tests.notifier.scene import drain
from tests.webhooks.conftest import _fresh_process  # noqa: F401 - a fixture that applies to every test here
from tests.webhooks.stripe_side import sign
from webhooks import loops as webhooks_loops
from webhooks import samples
from webhooks.events import StripeEvent
from webhooks.handlers import on
from webhooks.models import WebhookEvent
from webhooks.process import processing

pytestmark = [pytest.mark.django_db(transaction=True), same_on_each_engine]

BERLIN = ZoneInfo("Europe/Berlin")
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
TOKEN = "twilio-token-of-this-night"


@dataclass
class Night:
    """The site, its workers, and a clock that passes only here."""

    url: str
    clock: time_machine.Traveller
    slack: FakeSlack
    twilio: FakeTwilio
    esp: FakeEsp
    mended: bool = False
    couriers: list[Courier] = field(default_factory=list)

    def until(self, hour_and_minute: str, step: timedelta = 5 * MINUTE) -> None:
        """Let the workers work, every few minutes, up to a local time."""
        hour, minute = map(int, hour_and_minute.split(":"))
        while (now := datetime.now(BERLIN)) < (end := now.replace(hour=hour, minute=minute)):
            self.clock.shift(min(step, end - now))
            self.work()

    def work(self) -> None:
        for _ in range(2):  # what one of them does wakes another
            while processing.process_due():
                pass
            webhooks_loops.tick()
            tick.Tick().step()  # anew: it paces itself by a clock that nobody turns
            while slack_work.step() == 0.0:
                pass
            for courier in self.couriers:
                drain(courier)

    # --- what comes in

    def stripe(self, event: dict[str, Any]) -> int:
        body = json.dumps(event)
        headers = {"Stripe-Signature": sign(body, at=int(time.time())), "Content-Type": "application/json"}
        return requests.post(f"{self.url}/stripe/default/", data=body, headers=headers, timeout=10).status_code

    def sms(self, text: str, sender: str = BEN, *, sid: str = "", token: str = TOKEN) -> tuple[int, str]:
        """The status, and what whoever wrote it is answered."""
        fields, headers = signed.sms(text, sender, token, sid=sid)
        found = requests.post(f"{self.url}/notifier/twilio/answers/", data=fields, headers=headers, timeout=10)
        said = re.search(r"<Message>(.*)</Message>", found.text, re.DOTALL)
        return found.status_code, html.unescape(said[1]) if said else ""

    def press(self, button: str, *, secret: str = SECRET, late: int = 0) -> int:
        """Ana presses a button of the alert's first message in Slack."""
        first = self.slack.messages[0]
        body, headers = signed.press(button, first, self.slack.response_url, secret=secret, late=late)
        return requests.post(f"{self.url}/notifier/slack/", data=body, headers=headers, timeout=10).status_code

    # --- what goes out

    def texts(self, number: str) -> list[str]:
        return [message["body"] for message in self.twilio.messages if message["to"] == number]

    def first_message(self) -> str:
        """As it stands now: news edits it."""
        return json.dumps(self.slack.messages[0], ensure_ascii=False)

    def thread(self) -> list[str]:
        first = self.slack.messages[0]["ts"]
        replies = [message for message in self.slack.messages if message.get("thread_ts") == first]
        return [json.dumps(message, ensure_ascii=False) for message in replies]


@pytest.fixture
def night(live_server: LiveServer, settings: Settings) -> Iterator[Night]:
    with ExitStack() as stack:
        slack = stack.enter_context(FakeSlack())
        twilio, esp = stack.enter_context(FakeTwilio()), stack.enter_context(FakeEsp())
        settings.SLACK_BOT_TOKEN, settings.SLACK_API_URL = "xoxb-token-of-this-night", slack.api_url
        settings.SLACK_SIGNING_SECRET = SECRET
        settings.TWILIO_ACCOUNT_SID, settings.TWILIO_AUTH_TOKEN = "AC" + "0" * 32, TOKEN
        settings.TWILIO_FROM, settings.TWILIO_API_URL, settings.TWILIO_INBOUND = "+15005550006", twilio.url, PUBLIC
        postmark = "anymail.backends.postmark.EmailBackend"
        settings.EMAIL_BACKEND_PATH = postmark
        if django.VERSION >= (6, 1):
            settings.MAILERS = {"default": {"BACKEND": postmark}}
        settings.ANYMAIL = {"POSTMARK_SERVER_TOKEN": "postmark-token", "POSTMARK_API_URL": esp.postmark_url}
        settings.NOTIFIER = NOTIFIER
        clock = stack.enter_context(time_machine.travel(datetime(2026, 11, 24, 2, 10, tzinfo=BERLIN), tick=False))
        found = Night(live_server.url, clock, slack, twilio, esp)
        found.couriers = [Courier(alias, start=_at_once) for alias in get_policy().channels]
        found.work()  # as on the evening before: the first digest is only a mark

        @on("invoice.paid")
        def record(event: StripeEvent) -> None:
            if not found.mended:
                raise KeyError("plan")

        yield found


def _at_once(_name: str, run: Callable[[], None]) -> None:
    run()


def test_a_night_from_the_failure_to_the_digest(night: Night) -> None:
    event = samples.snapshot("invoice.paid", livemode=True)
    # 02:10: Stripe posts, the handler fails, Slack and whoever is on call hear at once, and nobody else.
    assert night.stripe(event) == 200
    night.work()
    alert = Alert.objects.get()
    assert "Critical: invoice.paid cannot be processed" in night.first_message()
    [page] = night.texts(ANA)
    assert page.startswith("CRIT invoice.paid")
    assert "Next person" in night.first_message()
    night.until("02:24")
    assert night.texts(BEN) == []

    # 02:25: nobody has answered. The secondary is paged, and hears who was told before.
    night.until("02:25")
    [page] = night.texts(BEN)
    assert "Still open after 15 min, not acknowledged" in page
    code = code_of(page)

    # Forged, stale, repeated and unknown requests change nothing.
    assert night.sms(f"{code}a", token="somebody-else") == (403, "")
    assert night.press("Acknowledge", secret="somebody-else") == 403
    assert night.press("Acknowledge", late=600) == 403
    assert night.sms(f"{code}a", STRANGER) == (200, "")
    night.work()
    alert.refresh_from_db()
    assert alert.acknowledged_until is None

    # 02:27: Ben takes it by SMS. Twilio posts it twice, and it is done once.
    night.until("02:27")
    status, said = night.sms(f" {code}A ", sid="SM" + "f" * 32)
    assert (status, said) == (200, f"Alert {alert.pk}: acknowledged until 10:27 CET.")
    assert night.sms(f" {code}A ", sid="SM" + "f" * 32) == (status, said)
    night.until("02:28")
    assert any("Ben acknowledged it by SMS, until 10:27 CET" in reply for reply in night.thread())
    assert "Acknowledged by Ben" in night.first_message()
    assert any(text.startswith("Ben acknowledged it by SMS, until 10:27") for text in night.texts(ANA))

    # Nobody is paged any more: the last resort, due at 03:10, waits too.
    pages = len(night.texts(ANA)), len(night.texts(BEN))
    night.until("03:30", step=10 * MINUTE)
    assert (len(night.texts(ANA)), len(night.texts(BEN))) == pages
    assert WebhookEvent.objects.get().state == "dead"

    # 03:31: it is fixed, and Ana has the event processed again from Slack.
    night.mended = True
    assert night.press("Replay") == 200
    night.until("03:40", step=MINUTE)  # an SMS goes once a minute
    assert WebhookEvent.objects.get().state == "processed"
    alert.refresh_from_db()
    assert alert.resolved_at is not None

    # Everybody who was told hears the end.
    assert "Resolved after" in night.first_message()
    assert night.texts(ANA)[-1].startswith("OK invoice.paid")
    assert night.texts(BEN)[-1].startswith("OK invoice.paid")

    # 08:00: the digest has it.
    night.until("08:01", step=HOUR)
    [letter] = night.esp.messages
    assert letter["to"] == "team@shop.example"
    assert "1 alert, all over" in letter["text"]
    assert "03:31 CET, by replay" in letter["text"]

    # The log has all of it, in order.
    entries = LogEntry.objects.filter(alert=alert).order_by("pk")
    assert [(entry.verb, entry.who, entry.through) for entry in entries] == [
        ("step", "", "route"),
        ("step", "", "route"),
        ("acknowledge", "Ben", "sms"),
        ("replay", "Ana", "slack"),
        ("step", "", "route"),
    ]
    assert [entry.detail for entry in entries.filter(verb="step")] == [
        "Nobody has acknowledged it: step 1 of 1 is told (secondary)",
        "The last resort waits: acknowledged by Ben",
        "Did not happen, since it is over: the last resort",
    ]
