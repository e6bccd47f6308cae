"""The events' pages: found by what is known of them, shown with what became of them, processed again."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from notifier.flow import pipeline
from notifier.intake.webhooks import facts_of
from notifier.models import Alert
from notifier.pages import inbox
from tests.notifier.pages.conftest import queries
from webhooks import samples
from webhooks.events import parse
from webhooks.models import Failure, WebhookEvent

pytestmark = pytest.mark.django_db
State = WebhookEvent.State
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
EVENTS = "/alerts/events/"
MOST_QUERIES = 16


@pytest.fixture(autouse=True)
def _nothing_added_up() -> None:
    cache.clear()


def an_event(kind: str = "invoice.paid", *, body: dict[str, Any] | None = None, **values: Any) -> WebhookEvent:
    found = body or samples.snapshot(kind, now=NOON, livemode=True)
    known: dict[str, Any] = {
        "event_id": found["id"],
        "type": kind,
        "kind": "snapshot",
        "endpoint": "default",
        "livemode": True,
        "created": NOON,
        "received_at": NOON,
        "body": json.dumps(found),
        "state": State.PROCESSED,
        "attempts": 1,
    }
    return WebhookEvent.objects.create(**known | values)


def failed(row: WebhookEvent, **values: Any) -> Alert:
    known: dict[str, Any] = {"exception": "KeyError", "message": "'plan'", "will_retry": False, "occurred_at": NOON}
    failure = Failure.objects.create(event=row, attempt=1, **known | values)
    recorded = pipeline.failed(facts_of(row, parse(row.body, "default"), failure), NOON)
    assert recorded is not None
    return Alert.objects.get(pk=recorded.alert_id)


def _text(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def _page(client: Client, path: str) -> str:
    return _text(client.get(path).content.decode())


def _ids(client: Client, query: str) -> list[str]:
    return [row.event_id for row in client.get(EVENTS + query).context["found"].events]


def test_without_events_it_says_what_to_do(looker: Client) -> None:
    assert "manage.py trigger invoice.paid" in _page(looker, EVENTS)


def test_a_whole_id_leads_to_the_event(looker: Client) -> None:
    row = an_event()
    assert looker.get(f"{EVENTS}?q={row.event_id}")["Location"] == f"{EVENTS}{row.event_id}/"


@pytest.mark.parametrize(
    "query",
    [
        "?type=payout.failed",
        "?type=payout.*",
        "?state=dead",
        "?account=acct_9",
        "?mode=test",
        "?since=2026-11-23T12:30",
        "?type=payout.failed&state=dead&since=2026-11-23T12:30",
    ],
)
def test_filters(looker: Client, query: str) -> None:
    an_event()
    other = an_event(
        "payout.failed", state=State.DEAD, account="acct_9", livemode=False, received_at=NOON + timedelta(hours=1)
    )
    assert _ids(looker, query) == [other.event_id]
    assert _ids(looker, "?until=2026-11-23T12:30") != [other.event_id]


def test_the_customer_and_the_object_of_a_message_are_found(looker: Client, scene: object) -> None:
    row = an_event(state=State.DEAD)
    an_event()
    failed(row)
    about = json.loads(row.body)["data"]["object"]
    assert _ids(looker, f"?q={about['customer']}") == [row.event_id]
    assert _ids(looker, f"?q={about['id']}") == [row.event_id]
    assert "Write the whole id" in _page(looker, f"{EVENTS}?q=cus_nobody")


def test_pages_go_back_in_time_without_counting(looker: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [an_event(received_at=NOON + timedelta(minutes=number)) for number in range(60)]
    newest_first = [row.event_id for row in rows][::-1]
    found, address = list[str](), EVENTS
    while address:
        page = looker.get(address).context["found"]
        found += [row.event_id for row in page.events]
        address = f"{EVENTS}?before={page.more.replace('+', '%2B')}" if page.more else ""
    assert found == newest_first
    monkeypatch.setattr(inbox, "LOOKED_THROUGH", 20)
    page = looker.get(f"{EVENTS}?mode=test").context["found"]
    assert page.events == []
    assert page.looked_until == NOON + timedelta(minutes=39)
    assert "Look further back" in _page(looker, f"{EVENTS}?mode=test")


def test_it_asks_as_much_for_many_as_for_one(looker: Client, scene: object) -> None:
    counts = []
    for number in range(30):
        row = an_event(state=State.DEAD)
        failed(row)
        if number in (0, 29):
            counts.append((queries(looker, EVENTS), queries(looker, f"{EVENTS}{row.event_id}/")))
    assert counts[0] == counts[1]
    assert max(counts[0]) <= MOST_QUERIES


def test_an_event_names_its_attempts_and_alerts_and_its_alert_names_it(looker: Client, scene: object) -> None:
    row = an_event(state=State.DEAD)
    alert = failed(row, file="billing/handlers.py", line=88, function="change_plan")
    page = looker.get(f"{EVENTS}{row.event_id}/").content.decode()
    assert f'href="/alerts/{alert.pk}/"' in page
    assert "KeyError" in page
    assert "billing/handlers.py:88" in page
    assert "https://dashboard.stripe.com/events/" in page
    assert f'href="{EVENTS}{row.event_id}/"' in looker.get(f"/alerts/{alert.pk}/").content.decode()


def test_a_payload_is_whole_only_for_who_may_read_it(looker: Client, keeper: Client) -> None:
    body = samples.snapshot(
        "customer.created", now=NOON, name="Ada Lovelace", email="ada@example.com", phone="+4912345"
    )
    row = an_event("customer.created", body=body)
    page = looker.get(f"{EVENTS}{row.event_id}/").content.decode()
    for personal in ("Lovelace", "ada@example.com"):
        assert personal not in page
        assert personal in keeper.get(f"{EVENTS}{row.event_id}/").content.decode()
    assert body["data"]["object"]["id"] in page
    row.body = "no JSON"
    row.save()
    assert "cannot be read as JSON" in _page(looker, f"{EVENTS}{row.event_id}/")


@pytest.mark.parametrize(
    ("state", "asked", "says", "after"),
    [
        (State.DEAD, {}, "is processed again", State.PENDING),
        (State.PENDING, {}, "is processed again", State.PENDING),
        (State.PROCESSED, {}, "tick the box", State.PROCESSED),
        (State.PROCESSED, {"processed": "1"}, "is processed again", State.PENDING),
        (State.PROCESSING, {}, "It is being processed", State.PROCESSING),
        (State.IGNORED, {}, "kept unprocessed", State.IGNORED),
    ],
)
def test_processing_again_by_state(actor: Client, state: str, asked: dict[str, str], says: str, after: str) -> None:
    later = timezone.now() + timedelta(hours=1)
    row = an_event(state=state, attempts=2, due_at=later if state == State.PENDING else None)
    page = _text(actor.post(f"{EVENTS}{row.event_id}/again/", asked, follow=True).content.decode())
    assert says in page
    row.refresh_from_db()
    assert row.state == after
    if after == State.PENDING:
        assert row.due_at is not None
        assert row.due_at <= timezone.now()


def test_who_may_only_look_processes_nothing(looker: Client) -> None:
    row = an_event(state=State.DEAD)
    assert looker.post(f"{EVENTS}{row.event_id}/again/").status_code == 403
    row.refresh_from_db()
    assert row.state == State.DEAD


@pytest.mark.parametrize(
    "query", ["?since=x", "?since=0001-01-01T00:00", "?before=9999-12-31T23:59:59", "?type=*", "?q=%25"]
)
def test_odd_addresses(looker: Client, query: str) -> None:
    an_event()
    assert looker.get(EVENTS + query).status_code == 200
    assert looker.get(f"{EVENTS}evt_unknown/").status_code == 404


def test_the_admins_raw_rows_lead_to_the_pages(admin_client: Client, scene: object) -> None:
    row = an_event(state=State.DEAD)
    alert = failed(row)
    raw = admin_client.get(f"/admin/swa_webhooks/webhookevent/{row.pk}/change/").content.decode()
    assert f'href="{EVENTS}{row.event_id}/"' in raw
    raw = admin_client.get(f"/admin/swa_notifier/alert/{alert.pk}/change/").content.decode()
    assert f'href="/alerts/{alert.pk}/"' in raw
