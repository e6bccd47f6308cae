"""Inline mode: handlers run in the request, and Stripe does the retrying."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.utils import timezone

from alerts_runtime.monitoring import watchdog
from tests.holding import let_pass
from tests.webhooks.conftest import Change, Connect
from tests.webhooks.stripe_side import deliver, make_due
from webhooks import samples, signals
from webhooks.events import StripeEvent
from webhooks.handlers import on
from webhooks.models import Failure, WebhookEvent
from webhooks.process import claim, processing

pytestmark = pytest.mark.django_db(transaction=True)
PATIENCE = timedelta(hours=73)


@pytest.fixture(autouse=True)
def _inline(webhooks_settings: Change) -> None:
    webhooks_settings(MODE="inline")


def test_handlers_run_in_the_request() -> None:
    on("*")(lambda event: Group.objects.create(name=event.id))
    event = samples.snapshot("invoice.paid")
    response = deliver(event)
    assert (response.status_code, response.content) == (200, b"Processed.\n")
    row = WebhookEvent.objects.get()
    assert (row.state, row.attempts, row.how_processed) == ("processed", 1, "first")
    assert deliver(event).status_code == 200
    assert Group.objects.count() == 1


def test_somebody_watches_although_no_worker_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Handlers need none here; what tells of their failures does."""
    looks: list[str] = []
    monkeypatch.setattr(watchdog, "look", lambda: looks.append("look"))
    assert deliver(samples.snapshot("invoice.paid")).status_code == 200
    on("*")(lambda event: event.payload["no such key"])
    assert deliver(samples.snapshot("invoice.paid")).status_code == 500
    assert deliver(samples.snapshot("invoice.paid"), secret="whsec_x").status_code == 400
    assert looks == ["look"] * 3


def test_a_failure_answers_500_and_stripes_retry_processes_it(connect: Connect) -> None:
    told: list[dict[str, Any]] = []
    connect(signals.webhook_processing_error, lambda **kwargs: told.append(kwargs))
    attempts: list[int] = []

    @on("*")
    def handle(event: StripeEvent) -> None:
        attempts.append(1)
        if len(attempts) == 1:
            raise KeyError("amount")

    event = samples.snapshot("invoice.paid")
    response = deliver(event)
    assert response.status_code == 500
    assert b"amount" not in response.content
    row = WebhookEvent.objects.get()
    assert (row.state, row.due_at) == ("pending", row.armed_at + PATIENCE)
    (call,) = told
    assert (call["will_retry"], call["next_attempt_at"]) == (True, None)  # Stripe decides when
    assert call["failure"].gives_up_at == row.due_at

    assert deliver(event).status_code == 200
    row.refresh_from_db()
    assert (row.state, row.how_processed, row.deliveries) == ("processed", "retry", 2)


def test_the_worker_leaves_it_to_stripe_and_makes_the_last_try() -> None:
    on("*")(lambda event: 1 / 0)
    deliver(samples.snapshot("invoice.paid"))
    assert claim.claim(timezone.now()) == []
    WebhookEvent.objects.update(armed_at=timezone.now() - PATIENCE)
    make_due(WebhookEvent.objects.get())
    assert processing.process_due()
    assert WebhookEvent.objects.get().state == "dead"
    assert not Failure.objects.latest("pk").will_retry


def test_a_duplicate_of_a_dead_event_is_processed() -> None:
    event = samples.snapshot("invoice.paid")
    deliver(event)
    WebhookEvent.objects.update(state="dead", due_at=None)
    assert deliver(event).status_code == 200
    row = WebhookEvent.objects.get()
    assert (row.state, row.how_processed) == ("processed", "replay")


def test_never_two_at_once() -> None:
    entered, leave = threading.Event(), threading.Event()
    runs: list[str] = []

    @on("*", atomic=False)
    def slow(event: StripeEvent) -> None:
        runs.append(event.id)
        entered.set()
        assert leave.wait(30)

    event = samples.snapshot("invoice.paid")
    answers: list[int] = []

    def first() -> None:
        try:
            answers.append(deliver(event).status_code)
        finally:
            connection.close()

    thread = threading.Thread(target=first)
    thread.start()
    assert entered.wait(10)
    second = deliver(event)
    assert (second.status_code, second["Retry-After"]) == (503, "10")
    leave.set()
    thread.join(30)
    assert answers == [200]
    assert len(runs) == 1


def test_an_event_whose_web_process_died_is_processed_when_it_is_delivered_again(connect: Connect) -> None:
    told: list[str] = []
    connect(signals.webhook_processing_error, lambda exception, **_: told.append(type(exception).__name__))
    event = samples.snapshot("invoice.paid")
    deliver(event)
    WebhookEvent.objects.update(state="processing", token="dead-1", processed_at=None)
    assert deliver(event).status_code == 503  # it may live
    let_pass()
    assert deliver(event).status_code == 200
    assert told == ["WorkerLost"]
    assert WebhookEvent.objects.get().state == "processed"


def test_one_endpoint_may_be_inline_beside_others(webhooks_settings: Change) -> None:
    webhooks_settings(
        MODE="worker",
        ENDPOINTS={"default": {"SECRETS": ["whsec_a"]}, "now": {"SECRETS": ["whsec_b"], "MODE": "inline"}},
    )
    deliver(samples.snapshot("a.later"), secret="whsec_a")
    deliver(samples.snapshot("a.now"), secret="whsec_b", endpoint="now")
    assert dict(WebhookEvent.objects.values_list("type", "state")) == {"a.later": "pending", "a.now": "processed"}
