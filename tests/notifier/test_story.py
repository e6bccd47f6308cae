from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from notifier.facts import Category, Frame, Link, Money, Reason, Severity, Timing
from notifier.judge.match import Matcher
from notifier.judge.policy import Policy, Route
from notifier.messages import adding_up, story
from notifier.messages.telling import Children, Since, Story
from notifier.models import Alert, Notification, Occurrence
from tests.notifier.rows import MINUTE, NOON, a_notification, an_alert, failures, failures_in_bulk, scanned

pytestmark = pytest.mark.django_db

WINDOWS = (timedelta(minutes=5), timedelta(minutes=10), timedelta(minutes=20))
POLICY = Policy(
    channels={},
    rules=(),
    routes=(Route("page", Matcher(), ("slack",), timing=Timing(windows=WINDOWS)),),
    digests=(),
    tz="Europe/Berlin",
)
RECOVERED = {"recovered_at": NOON + MINUTE, "recovered_how": "retry"}


def told(row: Notification, reason: Reason = Reason.FIRST, now: datetime = NOON + 10 * MINUTE, **options: Any) -> Story:
    return story.tell(row, reason, now, policy=POLICY, **options)


def paid(event: str, **values: object) -> dict[str, object]:
    return {"event_id": event, "customer": "cus_1", "object_id": "in_1", "amount": 1000, "currency": "eur"} | values


def test_an_event_that_failed_five_times_counts_once() -> None:
    alert = an_alert()
    failures(alert, *[paid("evt_1", attempt=n) for n in range(1, 6)], paid("evt_2", amount=250, currency="usd"))
    totals = told(a_notification(alert)).totals
    assert totals.events == 2
    assert totals.at_risk == (Money(1000, "eur"), Money(250, "usd"))


def test_what_recovered_is_no_longer_at_risk_and_says_how() -> None:
    alert = an_alert()
    failures(
        alert,
        paid("evt_1", **RECOVERED),
        paid("evt_2", **RECOVERED),
        paid("evt_3", recovered_at=NOON, recovered_how="replay"),
        paid("evt_4"),
    )
    totals = told(a_notification(alert)).totals
    assert totals.recovered_by == (("retry", 2), ("replay", 1))
    assert totals.recovered_events == 3
    assert totals.recovered == (Money(3000, "eur"),)
    assert totals.at_risk == (Money(1000, "eur"),)


def test_the_customer_and_object_are_named_only_when_there_is_one() -> None:
    alert = an_alert()
    row = a_notification(alert)
    failures(alert, {"event_id": "evt_0"}, {"event_id": "evt_2"})
    none = told(row).totals
    failures(alert, paid("evt_1"), paid("evt_1"))
    one = told(row).totals
    failures(alert, paid("evt_3", customer="cus_2", object_id="in_2"))
    two = told(row).totals
    assert (none.customers, none.customer, none.object_id) == (0, "", "")
    assert (one.customers, one.customer, one.object_id) == (1, "cus_1", "in_1")
    assert (two.customers, two.customer, two.object_id) == (2, "", "")


def test_only_events_whose_last_failure_was_final_are_dead() -> None:
    alert = an_alert()
    failures(
        alert,
        paid("evt_armed_again", dead=True),
        paid("evt_armed_again", dead=False),
        paid("evt_replayed", dead=True, recovered_at=NOON, recovered_how="replay"),
        *[paid(f"evt_dead{n}", dead=True) for n in range(5)],
    )
    totals = told(a_notification(alert)).totals
    assert totals.dead == 5
    assert totals.dead_events == ("evt_dead4", "evt_dead3", "evt_dead2")  # the newest, as many as are named


def test_since_counts_what_came_after_the_watermark_and_no_later_than_the_alert_was_read() -> None:
    alert = an_alert()
    failures(
        alert,
        paid("evt_0"),
        *[paid(f"evt_a{n}", event_type="invoice.paid") for n in range(4)],
        *[paid(f"evt_b{n}", event_type="charge.refunded", amount=None) for n in range(3)],
        *[paid(f"evt_c{n % 2}", event_type=f"rare.{n}", currency="usd") for n in range(3)],
    )
    row = a_notification(alert, told_seq=1, told_at=NOON, told_severity=Severity.CRITICAL)
    later = Alert.objects.get(pk=alert.pk)
    failures(later, paid("evt_too_late", amount=99_999))
    found = told(row, Reason.UPDATE)
    assert found.since == Since(
        number=10,
        types=(("invoice.paid", 4), ("charge.refunded", 3), ("rare.0", 1)),
        money=(Money(4000, "eur"), Money(2000, "usd")),
    )
    assert found.count == 11
    assert found.totals.types == 5


def test_nothing_came_since_when_nothing_was_told() -> None:
    alert = an_alert()
    failures(alert, paid("evt_1"))
    assert told(a_notification(alert)).since == Since()


def test_the_facts_of_the_alert_and_of_the_target() -> None:
    alert = an_alert(acknowledged_by="anna", acknowledged_until=NOON + timedelta(hours=2), account="acct_1")
    failures(alert, paid("evt_1"))
    row = a_notification(
        alert,
        held_by="quiet_hours",
        held_ref="night",
        held_since=NOON,
        instead_of="oncall:+1 (could not be delivered)",
        thread="C1/2",
        told_severity=Severity.WARNING,
    )
    found = told(row, Reason.RAISED, reference="ab12", possible_repeat=True)
    assert (found.id, found.severity, found.category) == (alert.pk, Severity.CRITICAL, Category.DATABASE)
    assert found.exception == "OperationalError"
    assert found.frame == Frame("billing/handlers.py", 84, "billing.handlers", "record")
    assert (found.acknowledged_by, found.acknowledged_until) == ("anna", NOON + timedelta(hours=2))
    assert (found.held_by, found.held_ref, found.held_since) == ("quiet_hours", "night", NOON)
    assert found.instead_of == "oncall:+1 (could not be delivered)"
    assert (found.thread, found.reference, found.possible_repeat) == ("C1/2", "ab12", True)
    assert (found.told_severity, found.route, found.tz) == (Severity.WARNING, "page", "Europe/Berlin")


def test_children_are_counted_and_the_most_frequent_named() -> None:
    parent = an_alert()
    failures(parent, paid("evt_1"))
    children = [an_alert(inhibited_by=parent, title=f"child {n}", count=n, event_type="") for n in range(1, 6)]
    an_alert(count=100)
    assert told(a_notification(parent)).children == Children(
        alerts=5, occurrences=15, named=tuple((child.pk, child.title) for child in reversed(children[2:]))
    )


@pytest.mark.parametrize(
    ("reason", "row", "minutes"),
    [
        (Reason.FIRST, {}, 5),
        (Reason.UPDATE, {"told_at": NOON, "told_seq": 1, "window": 0}, 10),
        (Reason.UPDATE, {"told_at": NOON, "told_seq": 1, "window": 1}, 20),
        (Reason.UPDATE, {"told_at": NOON, "told_seq": 1, "window": 7}, 20),  # the last window stays
        (Reason.RAISED, {"told_at": NOON, "told_seq": 1, "window": 2}, 5),  # a new problem starts over
    ],
)
def test_the_next_update_comes_after_the_window_that_follows_this_message(
    reason: Reason, row: dict[str, Any], minutes: int
) -> None:
    alert = an_alert()
    failures(alert, paid("evt_1"), paid("evt_2"))
    now = NOON + 10 * MINUTE
    assert told(a_notification(alert, **row), reason, now).next_update_at == now + timedelta(minutes=minutes)


def test_no_update_follows_when_it_is_over() -> None:
    alert = an_alert(resolved_at=NOON + MINUTE)
    failures(alert, paid("evt_1", **RECOVERED))
    assert told(a_notification(alert, told_seq=1), Reason.RESOLVED).next_update_at is None


@pytest.mark.parametrize(
    ("values", "url"),
    [
        ({}, "https://dashboard.stripe.com/events/evt_1"),
        ({"livemode": False}, "https://dashboard.stripe.com/test/events/evt_1"),
        ({"account": "acct_9"}, "https://dashboard.stripe.com/acct_9/events/evt_1"),
        ({"account": "acct_9", "livemode": False}, "https://dashboard.stripe.com/acct_9/test/events/evt_1"),
    ],
)
def test_links_lead_to_the_alert_and_to_the_event_in_stripe(values: dict[str, object], url: str) -> None:
    alert = an_alert(**values)
    failures(alert, paid("evt_1"))
    page = f"https://shop.example/alerts/{alert.pk}/"
    found = told(a_notification(alert), site_url="https://shop.example/").links
    assert found == (Link(f"Open alert {alert.pk}", page), Link("Open in Stripe", url))


def test_of_several_events_the_newest_is_linked_and_without_an_address_the_alert_is_not() -> None:
    alert = an_alert()
    failures(alert, paid("evt_1"), paid("evt_2"))
    (link,) = told(a_notification(alert)).links
    assert link == Link("Open the newest event in Stripe", "https://dashboard.stripe.com/events/evt_2")


def test_an_alert_about_no_event_counts_each_occurrence() -> None:
    alert = an_alert(source="payouts", event_type="", exceptions=[], frame={}, message="")
    failures(alert, *[{"amount": 500, "currency": "jpy"}] * 3)
    found = told(a_notification(alert), site_url="https://shop.example")
    assert not found.about_events
    assert (found.count, found.totals.events) == (3, 0)
    assert found.totals.at_risk == (Money(1500, "jpy"),)
    assert [link.text for link in found.links] == [f"Open alert {alert.pk}"]
    assert (found.exception, found.frame) == ("", None)


def test_an_event_in_two_alerts_is_at_risk_once() -> None:
    stories = []
    for alert in (an_alert(), an_alert()):
        failures(alert, paid("evt_1"), paid(f"evt_of_{alert.pk}", amount=1))
        stories.append(told(a_notification(alert)))
    assert adding_up.at_risk_together(one.id for one in stories) == (Money(1002, "eur"),)


@pytest.mark.parametrize(("told_seq", "dead", "queries"), [(0, False, 4), (1, False, 6), (1, True, 7)])
def test_few_queries_all_by_index_whatever_the_number_of_failures(told_seq: int, dead: bool, queries: int) -> None:
    others = [an_alert() for _ in range(100)]
    failures_in_bulk(others[0], (paid(f"evt_o{n}") for n in range(1000)))
    alert = an_alert()
    failures_in_bulk(alert, (paid(f"evt_{n // 2}", dead=dead, customer=f"cus_{n % 7}") for n in range(2000)))
    row = a_notification(alert, told_seq=told_seq, told_at=NOON)
    with CaptureQueriesContext(connection) as captured:
        found = told(row, Reason.UPDATE)
    assert found.totals.events == 1000
    assert len(captured) == queries
    for query in captured:
        assert not scanned(query["sql"]), query["sql"]


@pytest.mark.parametrize("recovered", [{}, RECOVERED])
@pytest.mark.parametrize("dead", [False, True])
@pytest.mark.parametrize("subject", [paid("evt_1"), {"amount": None}, paid("evt_1", customer="", amount=None)])
def test_a_single_failure_is_told_as_the_sums_would_tell_it(
    subject: dict[str, Any], dead: bool, recovered: dict[str, Any]
) -> None:
    alert = an_alert()
    (only,) = failures(alert, subject | {"dead": dead} | recovered)
    assert told(a_notification(alert)).totals == adding_up.totals_of(Occurrence.objects.filter(pk=only.pk))


LARGEST = 2**63 - 1


@pytest.mark.parametrize(
    "amounts", [[LARGEST, LARGEST, 5], [-LARGEST, -LARGEST, -5], [LARGEST, -LARGEST, 7], [1999999]]
)
def test_amounts_whose_sum_no_database_can_hold_are_still_told(amounts: list[int]) -> None:
    alert = an_alert()
    failures(alert, *[paid(f"evt_{number}", amount=amount) for number, amount in enumerate(amounts)])
    assert told(a_notification(alert)).totals.at_risk == (Money(sum(amounts), "eur"),)
