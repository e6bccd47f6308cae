"""The first page: what is open, worst first, how bad, who has it."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from notifier.channels import memory
from notifier.facts import DeliveryError, Result, Severity
from notifier.flow import pipeline
from notifier.models import Alert, Target
from tests.notifier.pages.conftest import queries
from tests.notifier.rows import a_notification, an_alert, failures
from tests.notifier.scene import EURO, Scene

pytestmark = pytest.mark.django_db
NOW = "/alerts/"
MOST_QUERIES = 30


@pytest.fixture(autouse=True)
def _nothing_added_up() -> None:
    cache.clear()


def _page(client: Client, query: str = "") -> str:
    text = client.get(NOW + query).content.decode()
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text))


def test_when_nothing_is_open_it_says_so(looker: Client) -> None:
    page = _page(looker)
    assert "All quiet" in page
    assert "There has been no alert yet" in page


def test_worst_first_live_before_test_and_money_apart(looker: Client) -> None:
    money = {"amount": 125_000, "currency": "eur", "event_id": "evt_1"}
    failures(an_alert(severity=Severity.WARNING, title="small"), {"event_id": "evt_3"})
    failures(an_alert(livemode=False, title="tried"), money | {"event_id": "evt_2", "amount": 700})
    failures(an_alert(title="big"), money)
    page = _page(looker)
    assert page.index("big") < page.index("tried") < page.index("small")
    assert "2 critical" in page
    assert "EUR 1,250.00 at risk" in page
    assert "EUR 7.00 of test money" in page
    assert page.count("Nobody has it") == 3


def test_who_has_it_and_what_explains_it(looker: Client) -> None:
    soon = timezone.now() + timedelta(hours=1)
    parent = an_alert(acknowledged_by="ada", acknowledged_until=soon)
    an_alert(inhibited_by=parent)
    page = _page(looker)
    assert "ada has it until" in page
    assert f"Held: alert {parent.pk} explains it" in page
    assert "Nobody has it" not in page


def test_resolved_ones_are_apart_and_the_newest_first(looker: Client) -> None:
    now = timezone.now()
    an_alert(title="older", resolved_at=now - timedelta(hours=2), resolved_how="by retry")
    an_alert(title="newer", resolved_at=now - timedelta(hours=1), resolved_how="by ada")
    an_alert(title="open one")
    page = _page(looker, "?state=resolved")
    assert page.index("newer") < page.index("older")
    assert "open one" not in page
    assert "older" not in _page(looker)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?severity=error", "second"),
        ("?category=code", "second"),
        ("?mode=test", "second"),
        ("?event=payout.*", "second"),
        ("?customer=cus_2", "second"),
        ("?account=acct_2", "second"),
        ("?endpoint=connect", "second"),
        ("?q=evt_2", "second"),
        ("?q=SECOND", "second"),
        ("?severity=critical&mode=live", "first"),
    ],
)
def test_filters_of_the_address(looker: Client, query: str, found: str) -> None:
    failures(an_alert(title="the first"), {"event_id": "evt_1", "customer": "cus_1"})
    other = an_alert(
        title="the second",
        severity=Severity.ERROR,
        category="code",
        livemode=False,
        event_type="payout.failed",
        account="acct_2",
        endpoint="connect",
    )
    failures(other, {"event_id": "evt_2", "customer": "cus_2"})
    page = _page(looker, query)
    assert f"the {found}" in page
    assert f"the {'first' if found == 'second' else 'second'}" not in page
    assert "No alert is like that" in _page(looker, query + "&q=nothing-like-it")


def test_pages_of_many(looker: Client) -> None:
    for number in range(30):
        an_alert(title=f"number {number:02}")
    first = looker.get(NOW)
    assert len(first.context["lines"]) == 25
    second = looker.get(f"{NOW}?from={first.context['more']}")
    assert {line.alert.pk for line in first.context["lines"]} | {line.alert.pk for line in second.context["lines"]} == {
        *Alert.objects.values_list("pk", flat=True)
    }


def test_it_asks_as_much_for_many_alerts_as_for_one(looker: Client) -> None:
    counts = []
    for number in range(20):
        alert = an_alert()
        failures(alert, {"event_id": f"evt_{number}"})
        a_notification(alert, f"slack:#number-{number}")
        if number in (0, 19):
            counts.append(queries(looker, NOW))
    assert counts[0] == counts[1] <= MOST_QUERIES


def test_what_was_added_up_is_added_up_again_when_something_happened(looker: Client, scene: Scene) -> None:
    scene.alert(money=EURO)
    assert "EUR 1,250.00 at risk" in _page(looker)
    alert = scene.alert(money=EURO)
    page = _page(looker)
    assert "EUR 2,500.00 at risk" in page
    assert "2 events" in page
    pipeline.resolve(alert, "by ada", scene.now)
    assert "at risk" not in _page(looker).partition("Failures, and")[0]


def test_how_a_channel_stands(looker: Client, scene: Scene) -> None:
    error = DeliveryError(Result.RETRY, "rate_limited", "try again later", retry_after=60)
    memory.fail_next(error)
    scene.fail(money=EURO)
    scene.deliver()
    page = _page(looker)
    assert "provider is failing" in page
    assert "rate_limited" in page
    Target.objects.update(dead_since=timezone.now(), dead_detail="unsubscribed")
    page = _page(looker)
    assert "nothing arrives" in page
    assert "unsubscribed" in page


def test_a_wait_for_the_rate_is_said_while_it_lasts(looker: Client, scene: Scene) -> None:
    scene.alert()
    scene.deliver()
    rate = {"waits_for": "rate", "wait_ref": "1 in 0:01:00"}
    Target.objects.update(next_at=timezone.now() + timedelta(minutes=1), **rate)
    assert "waits for its rate (1 in 0:01:00)" in _page(looker)
    Target.objects.update(next_at=timezone.now() - timedelta(minutes=1), **rate)
    assert "waits for" not in _page(looker)


def test_failures_over_time_have_a_table_behind(looker: Client) -> None:
    now = timezone.now()
    alert = an_alert(opened_at=now - timedelta(hours=3))
    failures(
        alert,
        {"event_id": "evt_1", "amount": 500, "currency": "eur", "recovered_at": now, "recovered_how": "retry"},
        {"event_id": "evt_2", "amount": 900, "currency": "eur"},
    )
    page = _page(looker)
    assert "2 failures, 1 recovered" in page
    assert "EUR 9.00 at risk" in page
    assert "EUR 5.00 recovered" in page
    assert "As a table" in page
