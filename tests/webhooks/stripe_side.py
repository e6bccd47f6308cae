"""What Stripe does in these tests: it signs and delivers; and what time does: it passes."""

from __future__ import annotations

import json
import time
from typing import Any

from django.test import Client
from django.utils import timezone

from alerts_runtime.stripe_data import signature
from webhooks import samples
from webhooks.models import WebhookEvent

SECRET = "whsec_test_current"
OLD_SECRET = "whsec_test_previous"


def sign(body: str | bytes, secret: str = SECRET, at: int | None = None) -> str:
    text = body if isinstance(body, str) else body.decode()
    return signature.header(text, secret, int(time.time()) if at is None else at)


def deliver(
    event: dict[str, Any] | str | bytes,
    *,
    secret: str = SECRET,
    endpoint: str = "default",
    client: Client | None = None,
) -> Any:
    """Post an event as Stripe would."""
    body = event if isinstance(event, str | bytes) else json.dumps(event)
    return (client or Client()).post(
        f"/stripe/{endpoint}/",
        data=body,
        content_type="application/json",
        headers={"Stripe-Signature": sign(body, secret)},
    )


def received(event_type: str = "invoice.paid", **changes: Any) -> WebhookEvent:
    """An event that was delivered and stored."""
    event = samples.snapshot(event_type, **changes)
    response = deliver(event)
    assert response.status_code == 200, response.content
    return WebhookEvent.objects.get(event_id=event["id"])


def make_due(row: WebhookEvent) -> None:
    """As if the time of its next attempt had come."""
    WebhookEvent.objects.filter(pk=row.pk).update(due_at=timezone.now())
