"""An endpoint may be bound to a mode and to an API version; what is of another is answered 200 and never handled."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from tests.webhooks.conftest import Change
from tests.webhooks.stripe_side import deliver
from webhooks import samples
from webhooks.models import WebhookEvent
from webhooks.process import arm, claim
from webhooks.receive import refusals

pytestmark = pytest.mark.django_db
LIVE, TEST = "whsec_live", "whsec_test"


@pytest.fixture(autouse=True)
def _endpoints(webhooks_settings: Change) -> None:
    webhooks_settings(
        ENDPOINTS={
            "live": {"SECRETS": [LIVE], "LIVEMODE": True},
            "test": {"SECRETS": [TEST], "LIVEMODE": False},
            "both": {"SECRETS": [LIVE, TEST]},
            "next": {"SECRETS": [LIVE], "API_VERSION": samples.API_VERSION},
        }
    )


def event(*, live: bool, **changes: Any) -> dict[str, Any]:
    return samples.snapshot("invoice.paid", livemode=live, **changes)


def counted() -> list[tuple[str, str]]:
    return [(endpoint, reason) for endpoint, reason, _ in refusals._counts]


@pytest.mark.parametrize(
    ("endpoint", "secret", "live", "state"),
    [
        ("live", LIVE, True, "pending"),
        ("live", LIVE, False, "ignored"),
        ("test", TEST, False, "pending"),
        ("test", TEST, True, "ignored"),
        ("both", LIVE, True, "pending"),
        ("both", TEST, False, "pending"),
    ],
)
def test_events_of_the_other_mode_are_stored_as_ignored(endpoint: str, secret: str, live: bool, state: str) -> None:
    assert deliver(event(live=live), endpoint=endpoint, secret=secret).status_code == 200
    row = WebhookEvent.objects.get()
    assert row.state == state
    assert (row.due_at is None) is (state == "ignored")
    assert counted() == ([(endpoint, "other_mode")] if state == "ignored" else [])
    assert (claim.claim(timezone.now()) == []) is (state == "ignored")


def test_a_live_event_takes_back_its_id_from_one_that_a_test_endpoint_signed() -> None:
    real = event(live=True)
    forged = real | {"type": "invoice.voided"}
    assert deliver(forged, endpoint="test", secret=TEST).status_code == 200
    assert deliver(real, endpoint="live", secret=LIVE).status_code == 200
    row = WebhookEvent.objects.get()
    assert (row.state, row.endpoint, row.type, row.deliveries) == ("pending", "live", "invoice.paid", 1)
    assert "invoice.voided" not in row.body


@pytest.mark.parametrize("state", ["pending", "processing", "processed", "dead"])
def test_an_event_that_is_ignored_changes_nothing_of_a_real_one(state: str) -> None:
    real = event(live=True)
    deliver(real, endpoint="live", secret=LIVE)
    WebhookEvent.objects.update(state=state, attempts=1)
    before = WebhookEvent.objects.values().get()
    assert deliver(real | {"type": "invoice.voided"}, endpoint="test", secret=TEST).status_code == 200
    assert WebhookEvent.objects.values().get() == before


def test_an_ignored_event_is_never_armed_again_and_is_pruned_like_a_processed_one() -> None:
    deliver(event(live=False), endpoint="live", secret=LIVE)
    row = WebhookEvent.objects.get()
    assert not arm.rearm(row, timezone.now(), include_processed=True)
    assert not arm.hurry(row, timezone.now())
    assert arm.prune(timezone.now() + timedelta(days=1)) == (1, 0)


@pytest.mark.parametrize(("version", "stored"), [(samples.API_VERSION, True), ("2020-08-27", False), (None, True)])
def test_events_of_another_version_are_not_stored(version: str | None, stored: bool) -> None:
    response = deliver(event(live=True) | {"api_version": version}, endpoint="next", secret=LIVE)
    assert response.status_code == 200
    assert WebhookEvent.objects.exists() is stored
    assert counted() == ([] if stored else [("next", "other_version")])


def test_a_delivery_of_another_version_does_not_arm_a_dead_event_again() -> None:
    real = event(live=True)
    deliver(real, endpoint="next", secret=LIVE)
    WebhookEvent.objects.update(state="dead")
    deliver(real | {"api_version": "2020-08-27"}, endpoint="next", secret=LIVE)
    assert WebhookEvent.objects.get().state == "dead"
