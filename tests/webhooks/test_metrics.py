"""The inbound side in numbers, as Prometheus reads them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import DjangoAssertNumQueries

from alerts_runtime.monitoring import metrics
from tests.webhooks.stripe_side import deliver, received
from webhooks import samples
from webhooks.metrics import collect
from webhooks.models import WebhookEvent
from webhooks.process import processing
from webhooks.receive import refusals

pytestmark = pytest.mark.django_db
State = WebhookEvent.State


def scrape() -> dict[str, dict[tuple[str, ...], float]]:
    """Each metric's values by its labels' values."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(metrics.render(timezone.now()).decode()):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
    return found


def test_an_empty_site_says_zero() -> None:
    found = scrape()
    assert found["webhooks_events_last_hour"] == {(state,): 0 for state in State.values}
    assert found["webhooks_unprocessed_events"] == {("pending",): 0, ("processing",): 0}
    assert found["webhooks_oldest_unprocessed_event_age_seconds"] == {(): 0}
    assert found["webhooks_oldest_due_event_age_seconds"] == {(): 0}
    assert "webhooks_refused_requests_last_hour" not in found


def test_events_by_state_and_the_age_of_the_oldest_unprocessed_one() -> None:
    now = timezone.now()
    received()
    processing.process_due()
    old, later = received(), received()
    WebhookEvent.objects.filter(pk=old.pk).update(
        armed_at=now - timedelta(hours=3), received_at=now - timedelta(hours=3), due_at=now - timedelta(minutes=2)
    )
    WebhookEvent.objects.filter(pk=later.pk).update(due_at=now + timedelta(hours=1))

    found = scrape()

    assert found["webhooks_events_last_hour"] == {
        ("pending",): 1,  # the old one came earlier
        ("processing",): 0,
        ("processed",): 1,
        ("dead",): 0,
        ("incomplete",): 0,
        ("ignored",): 0,
        ("dropped",): 0,
    }
    assert found["webhooks_unprocessed_events"] == {("pending",): 2, ("processing",): 0}
    assert found["webhooks_oldest_unprocessed_event_age_seconds"][()] == pytest.approx(3 * 3600, abs=30)
    assert found["webhooks_oldest_due_event_age_seconds"][()] == pytest.approx(120, abs=30)


def test_refused_requests_by_endpoint_and_reason() -> None:
    for _ in range(3):
        deliver(samples.snapshot("invoice.paid"), secret="whsec_wrong")
    refusals.count("default", "too_old", timezone.now() - timedelta(hours=2))
    refusals.flush()

    assert scrape()["webhooks_refused_requests_last_hour"] == {("default", "no_match"): 3}


def test_a_scrape_asks_a_fixed_number_of_questions(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    for _ in range(5):
        received()
    with django_assert_num_queries(5):
        list(collect(timezone.now()))
