"""Deliveries of an event whose handlers run: Stripe is answered at once, and nobody else waits either."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection

from alerts_runtime.isolation.threads import close_connections
from tests.webhooks.stripe_side import deliver
from webhooks import samples
from webhooks.events import StripeEvent
from webhooks.handlers import on
from webhooks.models import WebhookEvent
from webhooks.process import processing

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer: a handler keeps it"),
]
WITHIN = 2.0  # seconds for all answers


@pytest.fixture
def running() -> Iterator[dict[str, Any]]:
    """An event whose handler runs, in its transaction, until the test is over."""
    entered, leave = threading.Event(), threading.Event()

    @on("invoice.paid")
    def handle(event: StripeEvent) -> None:
        entered.set()
        assert leave.wait(30)

    def work() -> None:
        try:
            processing.process_due()
        finally:
            close_connections()

    event = samples.snapshot("invoice.paid")
    assert deliver(event).status_code == 200
    worker = threading.Thread(target=work)
    worker.start()
    assert entered.wait(10)
    yield event
    is_over = not worker.is_alive()
    leave.set()
    worker.join(10)
    assert not is_over, "the handler had ended before: the test proved nothing"
    assert WebhookEvent.objects.get(event_id=event["id"]).state == "processed"


def _deliver(event: dict[str, Any]) -> int:
    try:
        return int(deliver(event).status_code)
    finally:
        close_connections()


def test_eight_duplicates_of_a_running_event_hold_up_nobody(running: dict[str, Any]) -> None:
    began = time.monotonic()
    with ThreadPoolExecutor(9) as pool:
        duplicates = [pool.submit(_deliver, running) for _ in range(8)]
        new = pool.submit(_deliver, samples.snapshot("customer.created"))
        answers = [answer.result(WITHIN) for answer in [*duplicates, new]]
    assert answers == [200] * 9
    assert time.monotonic() - began < WITHIN
    assert WebhookEvent.objects.count() == 2
