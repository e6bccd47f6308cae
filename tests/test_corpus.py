"""Every event of Stripe's corpus goes the whole way: received, failed, alerted, rendered, told, recovered."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings
from django.utils import timezone

from alerts_runtime.monitoring import watchdog
from notifier.channels import memory
from notifier.delivery.courier import Courier
from notifier.models import Alert, Notification
from tests.webhooks.stripe_side import deliver, make_due
from webhooks import handlers
from webhooks.models import WebhookEvent
from webhooks.process import processing

CORPUS = os.environ.get("STRIPE_EVENT_CORPUS", "")
NOTIFIER = {
    "CHANNELS": {"team": {"BACKEND": "memory", "TO": "team"}},
    "ROUTES": {"*": ["team"]},
}
pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not CORPUS, reason="STRIPE_EVENT_CORPUS is unset: a folder with snapshot/ and thin/ events"),
]


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bool]]:
    """A site whose only handler fails until it is mended."""
    is_broken = [True]

    def handle(event: object) -> None:
        if is_broken[0]:
            raise ValueError(f"cannot use {event}")

    monkeypatch.setattr(handlers, "_handlers", [])
    monkeypatch.setattr(watchdog, "look", lambda: None)
    handlers._matching.cache_clear()
    handlers.on("*")(handle)
    memory.clear()
    with override_settings(NOTIFIER=NOTIFIER):
        yield is_broken
    handlers._matching.cache_clear()


@pytest.mark.parametrize("quarter", range(4))
def test_every_event_can_be_received_failed_alerted_rendered_and_recovered(broken: list[bool], quarter: int) -> None:
    every = sorted([*Path(CORPUS).glob("snapshot/*.json"), *Path(CORPUS).glob("thin/*.json")])
    assert len(every) > 260
    files = every[quarter::4]
    courier = Courier("team", start=lambda _, run: run())
    for number, file in enumerate(files):
        broken[0] = True
        event = _fresh(json.loads(file.read_text()), number)
        assert deliver(event).status_code == 200, file.name
        assert processing.process_due(), file.name
        row = WebhookEvent.objects.get(event_id=event["id"])
        assert row.state == "pending", f"{file.name}: {row.state}"
        told = _tell(courier)
        assert event["type"] in told[0].title, file.name
        assert all((told[0].text, told[0].html, told[0].short, told[0].subject)), file.name

        broken[0] = False
        make_due(row)
        assert processing.process_due(), file.name
        assert [one.reason for one in _tell(courier)] == ["resolved"], file.name
    assert WebhookEvent.objects.filter(state="processed").count() == len(files)
    assert Alert.objects.filter(resolved_at__isnull=True).count() == 0
    assert Notification.objects.filter(due_at__isnull=False).count() == 0


def _fresh(event: dict[str, Any], number: int) -> dict[str, Any]:
    created: Any = event["created"]
    now = timezone.now()
    return copy.deepcopy(event) | {
        "id": f"evt_corpus_{number}",
        "livemode": True,
        "created": int(now.timestamp()) if isinstance(created, int) else now.isoformat(),
    }


def _tell(courier: Courier) -> list[Any]:
    """What the worker sends now."""
    memory.clear()
    for _ in range(3):
        courier.step()
    return [sent.message for sent in memory.outbox]
