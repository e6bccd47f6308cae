"""A dry run in the browser: of a stored event, of a failure that happened, and each message as it would look."""

from __future__ import annotations

import html
import re

import pytest
from django.test import Client
from pytest_django import Settings

from notifier.facts import Link, Message, Reason, Severity
from notifier.models import Alert, Occurrence
from notifier.pages import preview
from tests.notifier.conftest import Configure
from tests.notifier.pages.conftest import mail_in_memory
from tests.notifier.pages.test_events import _text, an_event, failed
from webhooks.models import Failure, WebhookEvent

pytestmark = pytest.mark.django_db
ROUTING, TRY = "/alerts/routing/", "/alerts/routing/try/"
THREE = {
    "chat": {"BACKEND": "slack", "TO": ["#payments"], "OPTIONS": {"token": "xoxb-1", "signing_secret": "s"}},
    "phone": {
        "BACKEND": "sms",
        "TO": ["+15005550006"],
        "OPTIONS": {"account_sid": "AC1", "auth_token": "t", "from": "+15005550001"},
    },
    "team": {"BACKEND": "email", "TO": ["team@example.com"], "OPTIONS": {"from_email": "alerts@example.com"}},
}


@pytest.fixture
def three(configure: Configure, settings: Settings) -> None:
    mail_in_memory(settings)
    configure(channels=THREE, routes={"*": list(THREE)})


def _tried(client: Client, **asked: str) -> str:
    answer = client.post(TRY, asked)
    assert answer.status_code == 200
    return answer.content.decode()


def test_each_message_looks_as_it_would_where_it_is_read(looker: Client, three: None) -> None:
    page = _tried(looker, event="invoice.paid", exception="builtins.KeyError", message="'plan' <b>&</b>")
    chat = page[page.index('class="as-slack"') :]
    assert re.search(r'class="as-circle (red|orange)"', chat)
    assert "<strong>" in chat
    assert "KeyError: &#x27;plan&#x27; &lt;b&gt;&amp;&lt;/b&gt;" in chat
    assert '<span class="as-button first">Acknowledge</span>' in chat
    assert re.search(r'class="as-sms">[^<]*invoice\.paid', page)
    assert re.search(r"1 segment, \d+ of 160 characters", page)
    # The mail is a page of its own: in a frame, without scripts, its links lead nowhere.
    frame = html.unescape(re.search(r'<iframe class="as-mail" src="([^"]+)"[^>]* sandbox', page)[1])  # type: ignore[index]
    mail = looker.get(frame)
    assert "invoice.paid cannot be processed" in mail.content.decode()
    assert set(re.findall(r'href="([^"]*)"', mail.content.decode())) <= {"#"}
    assert mail["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert mail["X-Frame-Options"] == "SAMEORIGIN"
    assert looker.get(frame.replace("place=", "place=9")).status_code == 404
    assert not Alert.objects.exists()


def test_an_event_that_is_stored_brings_its_customer_and_its_amount(looker: Client, three: None) -> None:
    row = an_event()
    page = _text(_tried(looker, event=row.event_id, exception="KeyError"))
    assert row.customer in page
    assert "EUR" in page
    wrong = looker.post(TRY, {"event": "evt_nobody", "exception": "KeyError"})
    assert wrong.status_code == 400
    assert "No event evt_nobody is stored here." in wrong.content.decode()


def test_a_failure_that_happened_is_tried_again_as_it_was(looker: Client, three: None) -> None:
    row = an_event(state=WebhookEvent.State.DEAD)
    alert = failed(row, file="billing/handlers.py", line=84, module="billing.handlers", function="record_payment")
    one = Failure.objects.get()
    offered = looker.get(ROUTING).content.decode()
    assert f'href="/alerts/routing/?failure={one.pk}#dry"' in offered
    form = looker.get(f"{ROUTING}?failure={one.pk}").context["asked"]
    assert (form["event"], form["exception"], form["last"]) == (row.event_id, "KeyError", "1")
    page = _text(_tried(looker, **form))
    assert "billing/handlers.py:84" in page
    assert f"It is counted on an open alert: {alert.pk}" in page
    # Another exception is another failure, and nothing stays of either.
    assert "billing/handlers.py:84" not in _text(_tried(looker, **form | {"exception": "ValueError"}))
    assert Occurrence.objects.count() == 1
    assert looker.get(f"{ROUTING}?failure=99").status_code == 200


def test_no_preview_holds_a_key_to_answer_with() -> None:
    message = Message(
        reason=Reason.FIRST,
        severity=Severity.ERROR,
        title="*bold* <https://evil.example|here> :red_circle:",
        summary=("one", "two"),
        links=(Link("Open alert 1", "https://shop.example/alerts/1/"),),
        answer_url="https://shop.example/alerts/answer/key/",
        short="ERROR it broke https://shop.example/alerts/answer/key/",
        html='<a href="https://shop.example/alerts/answer/key/">Answer</a>',
        text="Answer: https://shop.example/alerts/answer/key/",
    )
    shown = [
        preview.sms(message).text,
        preview.mail(message),
        preview.plain(message),
        *(str(part.html) for part in preview.slack(message, buttons=True)),
    ]
    assert not any("answer/key" in one for one in shown)
    card = preview.slack(message, buttons=False)[0].html
    assert "<strong>Error: ∗bold∗ &lt;https://evil.example|here&gt;" in card  # noqa: RUF001 - as the channel writes it


def test_a_mail_is_shown_to_nobody_who_may_not_look(client: Client, three: None) -> None:
    assert client.get("/alerts/routing/mail/?event=invoice.paid&exception=KeyError").status_code == 302
