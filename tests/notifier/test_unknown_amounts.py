"""An amount that no column takes, or in no currency, is said to be unknown, and keeps nothing from people."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from notifier.facts import Message, Money, Reason, Recipient
from notifier.intake import webhooks as receivers
from notifier.outbox import digests
from tests.notifier.conftest import Configure
from tests.notifier.scene import MINUTE, NOON, Scene
from webhooks import events, samples
from webhooks.models import Failure as FailureRow
from webhooks.models import WebhookEvent

ODD: list[dict[str, Any]] = [
    {"amount_due": 10**15, "currency": "eur"},
    {"amount_due": 2**63, "currency": "eur"},
    {"amount_due": -(10**40), "currency": "eur"},
    {"amount_due": 12.5, "currency": "eur"},
    {"amount_due": 1e300, "currency": "eur"},
    {"amount_due": True, "currency": "eur"},
    {"amount_due": "1250", "currency": "eur"},
    {"amount_due": [], "currency": "eur"},
    {"amount_due": {"value": 5}, "currency": "eur"},
    {"amount_due": 1250, "currency": ""},
    {"amount_due": 1250, "currency": "eu"},
    {"amount_due": 1250, "currency": "euro"},
    {"amount_due": 1250, "currency": "e\0r"},
    {"amount_due": 1250, "currency": 978},
    {"amount_due": 1250, "currency": None},
    {"amount_due": 1250},
]
FINE: list[dict[str, Any]] = [
    {"amount_due": 1250, "currency": "eur"},
    {"amount_due": -1250, "currency": "eur"},
    {"amount_due": 0, "currency": "eur"},
    {"amount_due": None, "currency": "eur"},
    {"currency": "eur"},
    {},
]


def event_of(invoice: dict[str, Any], number: int = 0) -> events.StripeEvent:
    payload = samples.snapshot("invoice.payment_failed", event_id=f"evt_{number}", livemode=True)
    payload["data"]["object"] = {"object": "invoice", "id": "in_1", "status": "open", **invoice}
    return events.parse(json.dumps(payload), "default")


@pytest.mark.parametrize("invoice", ODD, ids=repr)
def test_an_amount_that_cannot_be_read_is_unknown(invoice: dict[str, Any]) -> None:
    event = event_of(invoice)
    assert (event.amount, event.amount_unknown) == (None, True)


@pytest.mark.parametrize("invoice", FINE, ids=repr)
def test_an_amount_that_can_be_read_and_none_at_all_are_not_unknown(invoice: dict[str, Any]) -> None:
    assert not event_of(invoice).amount_unknown


def test_a_second_field_that_can_be_read_makes_the_amount_known() -> None:
    event = event_of({"object": "invoice_payment", "amount_paid": "5", "amount_requested": 700, "currency": "eur"})
    assert (event.amount, event.amount_unknown) == (700, False)


@given(st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text()))
def test_every_amount_is_known_unknown_or_not_there(amount: Any) -> None:
    event = event_of({"amount_due": amount, "currency": "eur"})
    assert (amount is None) + event.amount_unknown + (event.amount is not None) == 1


def fails(scene: Scene, invoice: dict[str, Any], number: int, **values: Any) -> None:
    """An event fails, from the signal on."""
    event = event_of(invoice, number)
    stored = {"type": event.type, "kind": event.kind, "endpoint": "default", "livemode": True, "body": "{}"}
    at = {"created": NOON, "received_at": NOON}
    row, _ = WebhookEvent.objects.get_or_create(event_id=event.id, defaults=stored | at)
    known: dict[str, Any] = {
        "event": row,
        "attempt": 1,
        "max_attempts": 12,
        "occurred_at": timezone.now(),
        "exception": "builtins.KeyError",
        "bases": ["builtins.LookupError", "builtins.Exception"],
        "message": "'plan'",
        "will_retry": True,
    }
    receivers.on_processing_error(WebhookEvent, row, event, FailureRow.objects.create(**known | values))
    scene.clock.at = timezone.now()


def everywhere(message: Message) -> list[str]:
    return [repr(message), message.short]


@pytest.mark.django_db
@pytest.mark.parametrize("invoice", ODD, ids=repr)
def test_the_message_says_that_an_amount_is_unknown(scene: Scene, invoice: dict[str, Any]) -> None:
    fails(scene, invoice, 1)
    (sent,) = scene.deliver()
    for text in everywhere(sent.message):
        assert "amount unknown for 1 event" in text


@pytest.mark.django_db
def test_what_is_known_and_what_is_not_are_both_said_and_an_event_counts_once(scene: Scene) -> None:
    invoices = [ODD[1], ODD[12], FINE[0], FINE[3], ODD[5]]
    for number, invoice in enumerate(invoices):
        fails(scene, invoice, number)
    fails(scene, ODD[1], 0, attempt=2)
    (sent,) = scene.deliver()
    for text in everywhere(sent.message):
        assert "12.50" in text
        assert "amount unknown for 3 events" in text


@pytest.mark.django_db
def test_what_recovered_is_no_longer_unknown(scene: Scene) -> None:
    scene.fail(event_id="evt_1", money=None, amount_unknown=True)
    scene.fail(event_id="evt_2", money=Money(1250, "eur"))
    scene.recover("evt_1")
    (sent,) = scene.deliver()
    assert "unknown" not in repr(sent.message)


@pytest.mark.django_db
def test_a_list_of_alerts_says_that_some_amounts_are_unknown(scene: Scene, configure: Configure) -> None:
    configure(channels={"chat": {"BACKEND": "tests.notifier.scene.Folding", "TO": ["chat"]}})
    scene.fail(event_type="a", money=None, amount_unknown=True)
    scene.fail(event_type="b", money=Money(1250, "eur"))
    (sent,) = scene.deliver()
    assert "EUR 12.50 at risk, some amounts unknown" in repr(sent.message)


@pytest.mark.django_db
def test_the_digest_says_it_for_each_alert_and_for_all(scene: Scene, configure: Configure) -> None:
    configure(digests={"daily": {"AT": "09:00", "TO": ["chat"]}})
    scene.fail(event_type="a", money=None, amount_unknown=True)
    scene.fail(event_type="b", money=None, amount_unknown=True)
    target = Recipient("chat", "memory", "chat")
    digests.ensure_digest("daily", target, NOON - timedelta(days=1), NOON - MINUTE, NOON)
    assert digests.ensure_digest("daily", target, NOON - MINUTE, NOON + MINUTE, NOON)
    scene.clock.step(2 * MINUTE)
    texts = [repr(one.message) for one in scene.deliver() if one.message.reason is Reason.DIGEST]
    assert len(texts) == 1
    assert "amount unknown for 2 events" in texts[0]
    assert texts[0].count("amount unknown for 1 event") >= 2
