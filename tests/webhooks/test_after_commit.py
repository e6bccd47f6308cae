"""What an event did is committed and a callback of its commit fails: no retry ends that, and no path loses it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.db import OperationalError, transaction
from django.utils import timezone
from pytest_django import Settings

from alerts_runtime.isolation import last_resort, later
from notifier.channels import memory
from notifier.flow import pipeline
from notifier.intake import webhooks as inbound
from notifier.models import Alert, Occurrence
from tests.notifier.conftest import CHAT
from tests.notifier.scene import Clock, Scene, reasons
from tests.webhooks.conftest import Change
from tests.webhooks.stripe_side import deliver, make_due, received
from webhooks import samples
from webhooks.events import StripeEvent
from webhooks.handlers import on
from webhooks.models import Failure, Traceback, WebhookEvent
from webhooks.process import arm, failures, processing, settle

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def scene(settings: Settings) -> Iterator[Scene]:
    settings.NOTIFIER = CHAT
    memory.clear()
    yield Scene(Clock(timezone.now() + timedelta(seconds=5)))
    memory.clear()
    assert later.settle(10)


class Broker:
    """What the callbacks send to; it can be away."""

    def __init__(self) -> None:
        self.is_away = True
        self.sent: list[str] = []

    def send(self, what: str) -> None:
        if self.is_away:
            raise ConnectionError("the broker is away")
        self.sent.append(what)


@pytest.fixture
def broker() -> Broker:
    """A handler that writes, and sends on commit: a receipt before, an order, and a mail behind."""
    found = Broker()

    @on("*")
    def pay(event: StripeEvent) -> None:
        def send_mail() -> None:
            found.sent.append("mail")

        Group.objects.get_or_create(name=event.id)
        transaction.on_commit(lambda: found.sent.append("receipt"))
        transaction.on_commit(partial(found.send, "order"))
        transaction.on_commit(send_mail)

    return found


def fail(broker: Broker) -> WebhookEvent:
    row = received("invoice.paid", livemode=True)
    processing.process_due()
    row.refresh_from_db()
    return row


def reconcile(scene: Scene, after: timedelta = timedelta(0)) -> None:
    scene.clock.step(after)
    inbound.reconcile(0, scene.now)


def test_it_has_a_state_and_says_what_did_not_run(broker: Broker) -> None:
    row = fail(broker)
    failure = Failure.objects.get()
    assert (row.state, broker.sent, Group.objects.count()) == ("incomplete", ["receipt"], 1)
    assert row.last_error == "ConnectionError: the broker is away"
    order, mail = failure.callbacks.splitlines()
    assert "Broker.send" in order
    assert "send_mail" in mail
    assert failure.after_commit
    assert not failure.will_retry


def test_no_retry_ends_it_and_the_message_says_what_to_do(broker: Broker, scene: Scene) -> None:
    row = fail(broker)
    [sent] = scene.deliver()
    for _ in range(3):
        reconcile(scene, timedelta(hours=1))
    assert scene.deliver() == []
    alert = Alert.objects.get()
    assert alert.resolved_at is None
    assert alert.headline.startswith("invoice.paid is processed, but what follows its commit failed")
    text = sent.message.text
    assert "invoice.paid is processed, but what follows its commit failed" in text
    assert "What the event did is committed" in text
    assert f"manage.py replay {row.event_id}" in text
    assert "Broker.send" in text
    for wrong in ("Gave up", "retried", "cannot be processed", "nothing will retry"):
        assert wrong not in text


def test_a_replay_that_succeeds_ends_it(broker: Broker, scene: Scene) -> None:
    row = fail(broker)
    scene.deliver()
    broker.is_away = False
    call_command("replay", row.event_id)
    processing.process_due()
    row.refresh_from_db()
    assert (row.state, row.how_processed) == ("processed", "replay")
    assert Alert.objects.get().resolved_how == "by replay"
    assert reasons(scene.deliver()) == ["resolved"]


def test_a_replay_without_ids_takes_it_too(broker: Broker) -> None:
    row = fail(broker)
    call_command("replay")
    row.refresh_from_db()
    assert row.state == "pending"


def test_a_replay_that_fails_the_same_way_does_not_end_it(broker: Broker, scene: Scene) -> None:
    row = fail(broker)
    scene.deliver()
    call_command("replay", row.event_id)
    processing.process_due()
    for _ in range(3):
        reconcile(scene, timedelta(minutes=5))
    alert = Alert.objects.get()
    assert (alert.count, alert.resolved_at) == (2, None)
    assert "resolved" not in reasons(scene.deliver())


def test_a_person_ends_it_and_the_message_calls_nothing_unprocessed(broker: Broker, scene: Scene) -> None:
    fail(broker)
    scene.deliver()
    assert pipeline.resolve(Alert.objects.get(), "by ada", scene.now)
    [sent] = scene.deliver()
    assert sent.message.reason == "resolved"
    assert "not processed" not in sent.message.text


def test_it_is_never_one_alert_with_failures_that_a_retry_ends(scene: Scene) -> None:
    attempts: list[int] = []

    @on("*")
    def pay(event: StripeEvent) -> None:
        attempts.append(1)
        if len(attempts) == 1:
            raise ConnectionError("the broker is away")
        transaction.on_commit(raise_)

    def raise_() -> None:
        raise ConnectionError("the broker is away")

    row = received("invoice.paid", livemode=True)
    processing.process_due()
    make_due(row)
    processing.process_due()
    reconcile(scene)
    first, second = Alert.objects.order_by("pk")
    assert (first.after_commit, first.resolved_how) == (False, "by retry")
    assert (second.after_commit, second.resolved_at) == (True, None)


def test_a_callback_that_is_still_at_work_is_no_success_yet(broker: Broker, scene: Scene) -> None:
    row = fail(broker)
    WebhookEvent.objects.filter(pk=row.pk).update(state="processed", processed_at=scene.now, attempts=2)
    reconcile(scene, timedelta(seconds=30))
    assert Alert.objects.get().resolved_at is None
    reconcile(scene, timedelta(minutes=1))
    assert Alert.objects.get().resolved_at


def test_stripe_hears_that_it_has_been_processed_in_inline_mode(broker: Broker, webhooks_settings: Change) -> None:
    webhooks_settings(MODE="inline")
    event = samples.snapshot("invoice.paid", livemode=True)
    assert [deliver(event).status_code for _ in range(2)] == [200, 200]
    assert broker.sent == ["receipt"], "a second delivery runs nothing again"
    assert Alert.objects.count() == 1


def test_callbacks_of_their_own_are_named_and_robust_ones_stop_nothing() -> None:
    def fine() -> None:
        raise ValueError("logged by Django")

    class Call:
        def __call__(self) -> None:
            raise ValueError("password=hunter2")

    @on("*")
    def pay(event: StripeEvent) -> None:
        transaction.on_commit(fine, robust=True)
        transaction.on_commit(Call())

    received()
    processing.process_due()
    failure = Failure.objects.get()
    assert "Call" in failure.callbacks
    assert "fine" not in failure.callbacks
    assert "hunter2" not in failure.message


# --- it cannot be lost --------------------------------------------------------------------------------------------


def test_a_pruned_traceback_loses_nothing(broker: Broker) -> None:
    fail(broker)
    Failure.objects.all().delete()
    Alert.objects.all().delete()
    assert failures.prune_tracebacks() == 1
    row = fail(broker)
    assert row.state == "incomplete"
    assert Failure.objects.get().traceback == Traceback.objects.get()
    assert Alert.objects.get().after_commit


@pytest.mark.parametrize("error", [OperationalError("gone"), ValueError("too long"), RuntimeError("odd")])
def test_a_database_that_does_not_take_it_gets_it_later(
    error: Exception, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = settle.note, list[int]()

    def away(*values: Any) -> Failure:
        calls.append(1)
        if len(calls) < 4:
            raise error
        return real(*values)

    monkeypatch.setattr(settle, "note", away)
    fail(broker)
    assert later.settle(10)
    assert len(calls) == 4
    assert WebhookEvent.objects.get().state == "incomplete"
    assert Failure.objects.get().announced_at
    assert Alert.objects.get().after_commit


def test_what_no_database_takes_is_said_at_the_last_resort(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[tuple[str, ...]] = []

    def away(*_: Any) -> Failure:
        raise OperationalError("gone")

    monkeypatch.setattr(last_resort, "say", lambda *words: said.append(words))
    monkeypatch.setattr(settle, "note", away)
    monkeypatch.setattr(later, "LONGEST", 0.2)
    row = fail(broker)
    assert later.settle(10)
    [(_, headline, _)] = said
    assert (
        headline == f"This could not be recorded: invoice.paid {row.event_id} failed after its commit: ConnectionError"
    )


def test_retention_leaves_it_to_a_person(broker: Broker) -> None:
    fail(broker)
    later_on = timezone.now() + timedelta(days=1000)
    assert arm.prune(later_on) == (0, 0)
    assert arm.prune(later_on, dead=True) == (1, 1)


# --- every length fits --------------------------------------------------------------------------------------------


def test_the_longest_of_everything_that_webhooks_takes_is_an_alert(settings: Settings) -> None:
    """What passes the check and the reading of events fits each column, on PostgreSQL too."""
    name = "e" * 100
    settings.WEBHOOKS = {**settings.WEBHOOKS, "ENDPOINTS": {name: {"SECRETS": ["whsec_test_current"]}}}
    long = "x" * 255
    event = samples.snapshot("invoice.paid", event_id=long, livemode=True) | {"type": long, "account": long}
    event["data"]["object"] |= {"id": long, "customer": long, "currency": "eur", "amount_due": 10**15 - 1}
    error = type("E" * 300, (ValueError,), {"__module__": "m" * 300})

    @on("*")
    def handle(_: StripeEvent) -> None:
        raise error("x" * 100_000)

    assert deliver(json.dumps(event), endpoint=name).status_code == 200
    processing.process_due()
    assert Failure.objects.get().announced_at
    for row in (WebhookEvent.objects.get(), Failure.objects.get(), Alert.objects.get(), Occurrence.objects.get()):
        for field in row._meta.concrete_fields:
            limit, value = getattr(field, "max_length", None), getattr(row, field.attname)
            assert limit is None or value is None or len(str(value)) <= limit, field
