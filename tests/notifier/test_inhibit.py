"""A parent finds its children, and a child its parent, among thousands of open alerts that are neither."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from itertools import product

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from notifier.alerts import store
from notifier.config.conf import get_policy
from notifier.delivery import own_alerts
from notifier.facts import Category, Severity
from notifier.flow import inhibit
from notifier.judge.match import Matcher, matches
from notifier.models import Alert
from tests.notifier.conftest import Configure
from tests.notifier.rows import NOON, an_alert

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
CATEGORIES = (Category.DATABASE, Category.CODE)
EVENTS = ("invoice.paid", "charge.failed", "")
SOURCES = ("webhook", "payouts")


@pytest.fixture
def rules(configure: Configure) -> None:
    configure(
        inhibit=[
            {"parent": {"category": "database", "severity": ">=error"}, "child": {"event": "invoice.*"}},
            {"parent": {"source": "payouts"}, "child": {"category": "worker"}},
        ]
    )


def looked(alert: Alert) -> None:
    inhibit.relate(alert, get_policy())
    alert.refresh_from_db()


def test_a_child_finds_the_parent_that_is_open(rules: None) -> None:
    for number in range(3):
        an_alert(category=Category.CODE, event_type=f"charge.{number}")
    parent = an_alert(category=Category.DATABASE, event_type="")
    child = an_alert(category=Category.CODE, event_type="invoice.paid")
    looked(child)
    assert child.inhibited_by_id == parent.pk


def test_a_parent_finds_its_children_and_nobody_else(rules: None) -> None:
    children = [an_alert(category=Category.CODE, event_type=f"invoice.{number}") for number in range(3)]
    others = [
        an_alert(category=Category.CODE, event_type="charge.failed"),
        an_alert(category=Category.CODE, event_type="invoice.paid", livemode=False),
        an_alert(category=Category.CODE, event_type="invoice.paid", account="acct_1"),
        an_alert(category=Category.CODE, event_type="invoice.paid", resolved_at=NOON),
        an_alert(category=Category.WORKER, event_type=""),  # a child by the other rule alone
    ]
    looked(parent := an_alert(category=Category.DATABASE, event_type=""))
    assert {alert.pk for alert in Alert.objects.filter(inhibited_by=parent)} == {child.pk for child in children}
    assert not Alert.objects.filter(pk__in=[other.pk for other in others], inhibited_by__isnull=False).exists()


def test_a_parent_that_has_a_parent_explains_nothing(rules: None) -> None:
    above = an_alert(category=Category.DATABASE, event_type="")
    an_alert(category=Category.DATABASE, event_type="", inhibited_by=above, severity=Severity.ERROR)
    Alert.objects.filter(pk=above.pk).update(resolved_at=NOON)
    looked(child := an_alert(category=Category.CODE, event_type="invoice.paid"))
    assert child.inhibited_by_id is None


@pytest.mark.parametrize("category", [Category.DATABASE, Category.CODE], ids=["a parent", "a child"])
def test_of_thousands_of_others_none_is_read(rules: None, category: Category) -> None:
    Alert.objects.bulk_create(
        Alert(
            fingerprint=str(number), severity=Severity.WARNING, category=Category.RATE_LIMIT,
            event_type="charge.failed", source="webhook", livemode=True, opened_at=NOON, last_at=NOON, storm_since=NOON,
            title="", traceback="x",
        )
        for number in range(2000)
    )  # fmt: skip
    alert = an_alert(category=category, event_type="invoice.paid" if category is Category.CODE else "")
    with CaptureQueriesContext(connection) as captured:
        inhibit.relate(alert, get_policy())
    assert len(captured) <= 2
    read = [query["sql"] for query in captured.captured_queries]
    assert not any("traceback" in sql for sql in read)


def texts(*values: str) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from([*values, "*", "inv*", "[iw]*", "charge.?ailed"]), max_size=2).map(tuple)


MATCHERS = st.builds(
    Matcher,
    min_severity=st.sampled_from([None, Severity.WARNING, Severity.ERROR]),
    severities=st.lists(st.sampled_from([Severity.ERROR, Severity.CRITICAL]), max_size=1).map(tuple),
    categories=st.lists(st.sampled_from(CATEGORIES), max_size=2).map(tuple),
    sources=texts(*SOURCES),
    events=texts(*EVENTS),
    endpoints=texts("default", ""),
)


def one_of_each() -> list[Alert]:
    return [
        Alert(
            fingerprint=str(number), severity=severity, category=category, event_type=event, source=source,
            endpoint=endpoint, opened_at=NOON, last_at=NOON, storm_since=NOON,
        )
        for number, (severity, category, event, source, endpoint) in enumerate(
            product((Severity.WARNING, Severity.CRITICAL), CATEGORIES, EVENTS, SOURCES, ("default", ""))
        )
    ]  # fmt: skip


def test_what_the_database_is_asked_leaves_out_nothing_that_matches() -> None:
    stored = Alert.objects.bulk_create(one_of_each())

    @settings(suppress_health_check=[HealthCheck.too_slow])
    @given(MATCHERS)
    def holds(matcher: Matcher) -> None:
        asked = set(Alert.objects.filter(inhibit._can_match(matcher)).values_list("pk", flat=True))
        assert {alert.pk for alert in stored if matches(matcher, alert.subject)} <= asked

    holds()


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL chooses by statistics, which a test has not")
@pytest.mark.parametrize(
    ("ask", "indexes"),
    [
        (lambda: store.overdue_to_resolve(NOON, DAY), ["swa_alerts_that_end_quiet", "swa_open_alerts_by_time"]),
        (lambda: own_alerts.tell_of_dead_targets(NOON), ["swa_open_alerts_by_kind"]),
        (
            lambda: inhibit.relate(an_alert(category=Category.DATABASE, event_type=""), get_policy()),
            ["swa_open_alerts_by_kind"],
        ),
    ],
    ids=["ends", "dead targets", "a parent"],
)
def test_who_looks_for_some_open_alerts_reads_them_by_an_index(
    rules: None, ask: Callable[[], object], indexes: list[str]
) -> None:
    with CaptureQueriesContext(connection) as captured:
        ask()
    asked = [
        one["sql"] for one in captured.captured_queries if re.search(r'SELECT .*FROM "?swa_notifier_alert', one["sql"])
    ]
    found = []
    with connection.cursor() as cursor:
        for sql in asked:
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
            found += [index for row in cursor.fetchall() for index in re.findall(r"INDEX (swa_\w+)", row[3])]
    assert found == indexes
