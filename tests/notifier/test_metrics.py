"""The outbound side in numbers, as Prometheus reads them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import DjangoAssertNumQueries

from alerts_runtime.monitoring import metrics
from notifier.facts import Category, HeldBy, Result, Severity
from notifier.metrics import BUCKETS, collect
from notifier.models import Attempt, Digest, Target
from tests.notifier.rows import a_notification, a_target, an_alert, failures

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def scrape() -> dict[str, dict[tuple[str, ...], float]]:
    """Each metric's values by its labels' values."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(metrics.render(timezone.now()).decode()):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
    return found


def an_attempt(
    key: str = "slack:#payments", *, took: float = 0.2, ago: timedelta = timedelta(0), **values: Any
) -> None:
    started = timezone.now() - ago - timedelta(minutes=1)
    known = {
        "token": "t",
        "reference": "r",
        "reason": "first",
        "text": "",
        "result": Result.DELIVERED,
        "started_at": started,
        "finished_at": started + timedelta(seconds=took),
    }
    Attempt.objects.create(target=a_target(key), **known | values)


def test_open_alerts_by_severity_and_their_failures_by_category() -> None:
    now = timezone.now()
    one = an_alert(opened_at=now, severity=Severity.CRITICAL, category=Category.DATABASE)
    failures(one, {"event_id": "evt_1", "dead": True}, {"event_id": "evt_1", "dead": True}, {"event_id": "evt_2"})
    an_alert(opened_at=now, severity=Severity.ERROR)
    over = an_alert(opened_at=now, severity=Severity.ERROR, resolved_at=now)
    failures(over, {"event_id": "evt_3", "dead": True, "occurred_at": now - 2 * HOUR})

    found = scrape()

    assert found["notifier_alerts_open"] == {("info",): 0, ("warning",): 0, ("error",): 1, ("critical",): 1}
    assert found["notifier_failures_last_hour"][("database",)] == 3
    assert found["notifier_failures_last_hour"][("code",)] == 0
    assert found["notifier_events_given_up"] == {(): 1}


def test_what_is_due_and_for_how_long() -> None:
    now = timezone.now()
    a_notification(an_alert(), "slack:#payments", due_at=now - timedelta(minutes=5))
    a_notification(an_alert(), "slack:#payments", due_at=now - timedelta(minutes=1))
    a_notification(an_alert(), "oncall:+4915112345678", due_at=now + HOUR)
    Digest.objects.create(
        name="daily", target=a_target(), starts_at=now - HOUR, ends_at=now, due_at=now - timedelta(minutes=2)
    )

    found = scrape()

    assert found["notifier_due_notifications"] == {("slack",): 2, ("oncall",): 0}
    ages = found["notifier_oldest_due_notification_age_seconds"]
    assert ages[("slack",)] == pytest.approx(300, abs=30)
    assert ages[("oncall",)] == 0
    assert found["notifier_digests_due"] == {(): 1}
    assert found["notifier_oldest_due_digest_age_seconds"][()] == pytest.approx(120, abs=30)


@pytest.mark.parametrize("by", [by for by in HeldBy if by is not HeldBy.ENDED])
def test_held_notifications_are_counted_by_what_holds_them(by: HeldBy) -> None:
    a_notification(an_alert(), due_at=timezone.now() + HOUR, held_by=by, held_ref="3")
    a_notification(an_alert(), due_at=timezone.now() + HOUR, held_by=by, held_ref="4")
    a_notification(an_alert(), due_at=None, held_by=by, held_ref="3")  # dropped

    assert scrape()["notifier_held_notifications"][(by.value,)] == 2


def test_throttled_and_dead_targets() -> None:
    now = timezone.now()
    Target.objects.filter(pk=a_target().pk).update(next_at=now + HOUR)
    Target.objects.filter(pk=a_target("mail:a").pk).update(next_at=now - HOUR, dead_since=now)

    found = scrape()

    assert found["notifier_throttled_targets"] == {(): 1}
    assert found["notifier_dead_targets"] == {(): 1}


def test_tries_by_channel_and_result_receipts_and_lost_leases() -> None:
    an_attempt()
    an_attempt(receipt="delivered", receipt_at=timezone.now())
    an_attempt("oncall:+4915112345678", result=Result.RETRY, code="30003", receipt="undelivered")
    an_attempt(result=Result.UNCERTAIN, code="worker-lost")
    an_attempt(ago=25 * HOUR)

    found = scrape()

    assert found["notifier_attempts_last_day"] == {
        ("slack", "delivered"): 2,
        ("oncall", "retry"): 1,
        ("slack", "uncertain"): 1,
    }
    assert found["notifier_receipts_last_day"] == {("slack", "delivered"): 1, ("oncall", "undelivered"): 1}
    assert found["notifier_leases_lost_last_day"] == {(): 1}


def test_how_long_providers_take_is_a_histogram_of_the_last_hour() -> None:
    for took in (0.05, 0.2, 0.2, 4.0, 40.0):
        an_attempt(took=took)
    an_attempt(took=3.0, ago=2 * HOUR)
    an_attempt(result=Result.SENDING, finished_at=None)

    found = scrape()

    name = "notifier_attempt_duration_last_hour_seconds"
    by_le = {float(le): value for (_, le), value in found[f"{name}_bucket"].items()}
    assert set(by_le) == {*BUCKETS, float("inf")}
    assert [by_le[le] for le in (0.1, 0.25, 2.5, 5, 30, float("inf"))] == [1, 3, 3, 4, 4, 5]
    assert found[f"{name}_gcount"] == {("slack",): 5}
    assert found[f"{name}_gsum"][("slack",)] == pytest.approx(44.45)


def test_an_address_is_in_no_metric() -> None:
    a_notification(an_alert(), "oncall:+4915112345678", due_at=timezone.now())
    an_attempt("team:person@shop.example", detail="to person@shop.example")
    text = metrics.render(timezone.now()).decode()
    assert "4915112345678" not in text
    assert "person" not in text


def test_a_scrape_asks_a_fixed_number_of_questions(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    for number in range(5):
        a_notification(an_alert(), f"slack:#{number}", due_at=timezone.now())
        an_attempt(f"slack:#{number}")
    with django_assert_num_queries(14):
        list(collect(timezone.now()))
