"""A replay that somebody asks for: what was given up is processed anew, what waits is due now."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from notifier.answers.commands import Answer, Asker, Command, Verb
from notifier.answers.door import answer
from notifier.models import Alert
from tests.notifier.scene import Scene
from tests.webhooks.stripe_side import deliver
from webhooks import samples
from webhooks.models import WebhookEvent

pytestmark = pytest.mark.django_db


def failed(scene: Scene, state: str) -> Alert:
    """An alert about an event that was received, and is now in that state."""
    event = samples.snapshot("invoice.paid")
    assert deliver(json.dumps(event)).status_code == 200
    later = timezone.now() + timedelta(hours=1)
    WebhookEvent.objects.filter(event_id=event["id"]).update(
        state=state, attempts=4, due_at=later if state == "pending" else None
    )
    return scene.alert(event_id=event["id"])


def replay(alert: Alert) -> Answer:
    return answer(Command(Verb.REPLAY, alert.pk), Asker("Ana", "page"), timezone.now())


@pytest.mark.parametrize("state", ["dead", "pending"])
def test_what_failed_is_processed_once_more(scene: Scene, state: str) -> None:
    alert = failed(scene, state)
    assert replay(alert) == Answer(True, f"Alert {alert.pk}: 1 event to be processed again.")
    row = WebhookEvent.objects.get()
    assert row.state == "pending"
    assert row.due_at is not None
    assert row.due_at <= timezone.now()
    assert replay(alert) == Answer(
        False, f"Alert {alert.pk}: nothing to replay; its events are being processed, or have been."
    )


@pytest.mark.parametrize("state", ["processing", "processed"])
def test_what_is_being_processed_is_left_alone(scene: Scene, state: str) -> None:
    alert = failed(scene, state)
    assert not replay(alert).changed
    assert WebhookEvent.objects.get().state == state


def test_an_alert_about_no_event(scene: Scene) -> None:
    alert = scene.alert(event_id="")
    assert replay(alert) == Answer(False, f"Alert {alert.pk}: it has no event that waits to be processed.")
