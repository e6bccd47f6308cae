"""The events' pages: found by what is known of them, shown with what became of them, processed again."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from notifier.flow import pipeline
from notifier.intake.webhooks import facts_of
from notifier.models import Alert, LogEntry
from notifier.pages import inbox
from tests.notifier.pages.conftest import queries
from webhooks import handlers, samples
from webhooks.events import StripeEvent, parse
from webhooks.handlers import on
from webhooks.models import Failure, WebhookEvent
from webhooks.process.processing import process_due
from webhooks.receive import store

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
    about = parse(json.dumps(found), "default")
    known: dict[str, Any] = {
        "event_id": found["id"],
        "type": kind,
        "kind": "snapshot",
        "endpoint": "default",
        "livemode": True,
        "created": NOON,
        "received_at": NOON,
        "object_id": about.object_id,
        "customer": about.customer,
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
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.replace("<wbr>", "")))


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


def test_customers_and_objects_are_found_of_events_that_went_well(looker: Client) -> None:
    body = samples.snapshot("invoice.paid", now=NOON, livemode=True)
    store.store(parse(json.dumps(body), "default"), json.dumps(body), NOON)
    an_event()
    about = body["data"]["object"]
    assert _ids(looker, f"?q={about['customer']}") == [body["id"]]
    assert _ids(looker, f"?q={about['id']}") == [body["id"]]


def test_a_customers_many_events_are_paged(looker: Client) -> None:
    rows = [an_event(customer="cus_9", received_at=NOON + timedelta(minutes=number)) for number in range(30)]
    newest_first = [row.event_id for row in rows][::-1]
    page = looker.get(f"{EVENTS}?q=cus_9").context["found"]
    assert [row.event_id for row in page.events] == newest_first[: inbox.SIZE]
    before = page.more.replace("+", "%2B")
    assert _ids(looker, f"?q=cus_9&before={before}") == newest_first[inbox.SIZE :]


@pytest.mark.parametrize(("word", "index"), [("cus_9", "swa_of_customer"), ("in_9", "swa_of_object")])
def test_it_is_looked_up_and_not_looked_for(looker: Client, word: str, index: str) -> None:
    WebhookEvent.objects.bulk_create(
        [
            WebhookEvent(
                event_id=f"evt_{number}",
                type="invoice.paid",
                kind="snapshot",
                endpoint="default",
                livemode=True,
                created=NOON,
                received_at=NOON + timedelta(seconds=number),
                body="{}",
                customer=f"cus_{number % 500}",
                object_id=f"in_{number}",
            )
            for number in range(4000)
        ],
        batch_size=500,
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    with CaptureQueriesContext(connection) as asked:
        assert word in looker.get(f"{EVENTS}?q={word}").content.decode()
    column = "customer" if word == "cus_9" else "object_id"
    sql = next(one["sql"] for one in asked if f"\"{column}\" = '{word}'" in one["sql"])
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {'QUERY PLAN' if connection.vendor == 'sqlite' else ''} {sql}")
        plan = " ".join(str(row) for row in cursor.fetchall())
    assert index in plan


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Four handlers, of which the third one fails until this list is empty."""
    broken = ["broken"]
    monkeypatch.setattr(handlers, "_handlers", [])
    handlers._matching.cache_clear()

    @on("invoice.paid", atomic=False)
    def send_receipt(event: StripeEvent) -> None: ...

    @on("invoice.paid")
    def book(event: StripeEvent) -> None: ...

    @on("invoice.paid")
    def tell_the_warehouse(event: StripeEvent) -> None:
        if broken:
            raise KeyError("shelf")

    @on("invoice.paid")
    def thank(event: StripeEvent) -> None: ...

    yield broken
    handlers._matching.cache_clear()


@pytest.mark.django_db(transaction=True)
def test_each_attempt_says_what_its_handlers_came_to(looker: Client, shop: list[str], scene: object) -> None:
    row = an_event(state=State.PENDING, attempts=0, due_at=timezone.now(), received_at=timezone.now())
    process_due()
    page = _page(looker, f"{EVENTS}{row.event_id}/")
    assert re.search(r"send_receipt done \d+ ms", page)
    assert re.search(r"book ran, and was rolled back \d+ ms", page)
    assert re.search(r"tell_the_warehouse failed \d+ ms", page)
    assert re.search(r"thank was not reached", page)
    shop.clear()
    WebhookEvent.objects.update(due_at=timezone.now())
    process_due()
    page = _page(looker, f"{EVENTS}{row.event_id}/")
    assert re.search(r"Attempt 2: processed.*tell_the_warehouse done \d+ ms.*thank done \d+ ms.*Attempt 1 of", page)


def test_of_a_worker_that_died_nobody_knows_how_far_it_came(looker: Client, scene: object) -> None:
    row = an_event(state=State.DEAD)
    failed(row, exception="webhooks.exceptions.WorkerLost")
    assert "How far its handlers came is not known" in _page(looker, f"{EVENTS}{row.event_id}/")


def test_who_has_an_event_processed_again_stands_in_its_alerts_log(actor: Client, scene: object) -> None:
    row = an_event(state=State.DEAD)
    alert = failed(row)
    for _ in range(2):  # the second changes nothing, and is no deed
        actor.post(f"{EVENTS}{row.event_id}/again/")
        WebhookEvent.objects.filter(pk=row.pk, state=State.PENDING).update(state=State.PROCESSING)
    page = _page(actor, f"/alerts/{alert.pk}/")
    assert page.count(f"act replayed its events on its page, {row.event_id}") == 1


def test_an_event_is_never_run_again(actor: Client, looker: Client, scene: object) -> None:
    row, other = an_event(state=State.DEAD), an_event(state=State.DEAD)
    alert, again = failed(row), failed(other)
    assert again == alert
    address = f"{EVENTS}{row.event_id}/"
    assert "Never run it again" not in _page(looker, address)
    assert looker.post(f"{address}never-again/", {"text": "x"}).status_code == 403
    assert "Say why" in _text(actor.post(f"{address}never-again/", {"text": " "}, follow=True).content.decode())
    done = actor.post(f"{address}never-again/", {"text": "refunded by hand"}, follow=True).content.decode()
    assert f"Alert {alert.pk} waits for 1 event." in _text(done)
    assert re.search(r"act decided that .*: refunded by hand", _text(done))
    # Nobody runs it: not by its page, not by the alert's replay, not by Stripe's Resend.
    assert "never to be run again" in _text(actor.post(f"{address}again/", follow=True).content.decode())
    actor.post(f"/alerts/{alert.pk}/replay/")
    store.store(parse(row.body, "default"), row.body, timezone.now())
    row.refresh_from_db()
    assert row.state == State.DROPPED
    # The alert says it as it is: settled, and no money recovered.
    page = _page(looker, f"/alerts/{alert.pk}/")
    assert "decided that an event is never run again on its page" in page
    assert "1 of 2 events settled since (1 never to be run again)" in page
    # Taken back, it waits again.
    back = _text(actor.post(f"{address}run-again/", follow=True).content.decode())
    assert f"Alert {alert.pk} waits for 2 events." in back
    row.refresh_from_db()
    assert row.state == State.DEAD
    assert "Process it again" in back


def test_an_alert_is_over_when_its_last_event_is_never_run_again(actor: Client, scene: object) -> None:
    row = an_event(state=State.DEAD)
    alert = failed(row)
    address = f"{EVENTS}{row.event_id}/"
    done = _text(actor.post(f"{address}never-again/", {"text": "refunded"}, follow=True).content.decode())
    assert f"Alert {alert.pk} is over: nothing else of it waits." in done
    alert.refresh_from_db()
    assert (alert.resolved_at is not None, alert.resolved_how) == (True, "by act")
    page = _page(actor, f"/alerts/{alert.pk}/")
    assert "Resolved after" in page
    assert "Recovered EUR" not in page
    # Two who press at once: one effect, and the other hears that it is so.
    again = _text(actor.post(f"{address}never-again/", {"text": "me too"}, follow=True).content.decode())
    assert "is never run again already" in again
    assert LogEntry.objects.filter(verb="never again", changed=True).count() == 1
    # Taken back it stays over, and the event can be run.
    actor.post(f"{address}run-again/")
    alert.refresh_from_db()
    assert alert.resolved_at is not None
    assert "is processed again" in _text(actor.post(f"{address}again/", follow=True).content.decode())


@pytest.mark.parametrize("address", ["%00/", "evt_%00/again/", "?type=%00&type=x"])
def test_what_no_database_holds_is_refused_wherever_it_stands(actor: Client, address: str) -> None:
    send = actor.post if address.endswith("again/") else actor.get
    assert send(f"{EVENTS}{address}").status_code == 400
