"""What an event, a failure and a message cost, in what no machine changes: statements, indexes, memory, bytes."""

from __future__ import annotations

import gc
import json
import logging
import re
import time
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import time as time_of_day
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import connection, transaction
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from alerts_runtime.monitoring import watchdog
from alerts_runtime.redaction.redact import redact
from alerts_runtime.wakeups import wake
from notifier.channels import memory
from notifier.delivery import loops, tick
from notifier.delivery.courier import Courier
from notifier.intake import webhooks as inbound
from notifier.judge.calendar import Period
from notifier.judge.policy import DigestPlan
from notifier.messages.digest import collect
from notifier.models import Alert
from tests.notifier.rows import a_target
from tests.runtime.waiting import until
from tests.webhooks.stripe_side import received
from webhooks import events, handlers, samples
from webhooks import loops as webhooks_tasks
from webhooks.events import StripeEvent
from webhooks.handlers import on
from webhooks.models import WebhookEvent
from webhooks.process import claim, failures, processing, timeouts
from webhooks.receive import store as receiving

GROWING = (
    "swa_webhooks_webhookevent|swa_webhooks_failure|swa_notifier_(?:alert|occurrence|notification|attempt|attemptpart)"
)
RARE = "swa_webhooks_traceback"  # whose pruning, once an hour, looks through all failures
FRAME = ("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE", "SET ")


def statements(run: Callable[[], object]) -> list[str]:
    """What it asks of the database, without the frame of its transactions."""
    with CaptureQueriesContext(connection) as captured:
        run()
    return [query["sql"] for query in captured.captured_queries if not query["sql"].startswith(FRAME)]


def round_trips(run: Callable[[], object]) -> list[str]:
    """The same with the frame: for each of these PostgreSQL is waited for."""
    with CaptureQueriesContext(connection) as captured:
        run()
    return [query["sql"] for query in captured.captured_queries]


def scanned(sql: str) -> list[str]:
    """The growing tables that a statement would read from end to end."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
            plan = "\n".join(row[3] for row in cursor.fetchall())
            return re.findall(rf"SCAN (?:{GROWING}|[a-zA-Z]\d*)\b(?! USING (?:COVERING )?INDEX)", plan)
        cursor.execute("SET LOCAL enable_seqscan = off")  # these tables are too small for an index to pay
        cursor.execute(f"EXPLAIN {sql}")
        return re.findall(rf"Seq Scan on (?:{GROWING})\b", "\n".join(row[0] for row in cursor.fetchall()))


def process_all() -> None:
    while webhooks_tasks.process_due() == 0:
        pass


def broken(event: StripeEvent) -> None:
    raise ValueError("no such price")


@pytest.fixture(autouse=True)
def _site(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A handler that works, one that does not, and a chat that hears of it."""
    monkeypatch.setattr(handlers, "_handlers", [])
    handlers._matching.cache_clear()
    failures.forget_tracebacks()
    monkeypatch.setattr(watchdog, "look", lambda: None)  # its thread would outlive the test
    on("invoice.paid")(lambda event: None)
    on("customer.deleted")(broken)
    chat = {"CHANNELS": {"chat": {"BACKEND": "memory", "TO": "us"}}, "ROUTES": {"*": ["chat"]}}
    once = settings.WEBHOOKS | {"RETRY": {"ATTEMPTS": 1}}  # a second attempt would be a second failure
    with override_settings(NOTIFIER=chat, WEBHOOKS=once):
        yield
    memory.clear()
    handlers._matching.cache_clear()


@pytest.fixture
def _ten_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """How many are claimed together is not for the machine to say."""
    monkeypatch.setattr(webhooks_tasks, "SLICE", 60.0)
    monkeypatch.setattr(timeouts, "look", lambda: None)  # which gives to others what has waited for a second


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_ten_at_once")
def test_statements_for_an_event_that_succeeds() -> None:
    received("invoice.paid")
    asked = statements(lambda: claim.claim(timezone.now()))
    assert len(asked) <= 2
    WebhookEvent.objects.update(state="pending", attempts=0)
    asked = statements(webhooks_tasks.process_due)
    # claim, confirm, finish, when the next is due; SQLite looks before it claims
    assert len(asked) == (5 if connection.vendor == "sqlite" else 4), asked


@pytest.mark.django_db(transaction=True)
def test_statements_for_each_of_many_events_that_succeed() -> None:
    def together(number: int) -> int:
        for _ in range(number):
            received("invoice.paid")
        return len(statements(lambda: processing.process_due(until=time.monotonic() + 60)))

    few, many = together(2), together(12)
    assert (many - few) / 10 <= 2.5  # confirm and finish; ten are claimed together


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_ten_at_once")
def test_statements_for_a_failure_in_a_storm() -> None:
    def storm(number: int) -> int:
        for _ in range(number):
            received("customer.deleted", account="acct_1")
        return len(statements(process_all))

    storm(1)
    once, often = storm(2), storm(12)
    # confirm, settle, failure; of the notifier, two (test_pipeline.py). Ten are claimed together, and marked
    assert (often - once) / 10 <= 5.6
    assert Alert.objects.get().count == 15


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_ten_at_once")
def test_round_trips_from_a_failing_event_to_its_message_and_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wake, "GAP", 0.0)  # else one wake-up stands for two
    courier = Courier("chat", start=lambda _name, run: run())

    def fails(account: str) -> tuple[list[str], list[str], list[str]]:
        received("customer.deleted", account=account)
        return round_trips(webhooks_tasks.process_due), round_trips(courier.step), round_trips(courier.step)

    fails("acct_0")  # what is the first of all is made: its traceback, its recipient
    webhooks_tasks.process_due()  # finds nothing, and writes down that the failure was announced
    recorded, sent, finished = fails("acct_1")
    assert len(memory.outbox) == 2
    # claim; confirm; outcome and failure; alert, occurrence, recipient and what it is to hear; when the next is due.
    # On PostgreSQL a wake-up, on SQLite a look before the claim.
    assert len(recorded) == 17, recorded
    # lease; what is due, silences, what there is to tell; confirm, two rows, taken. SQLite looks before it claims
    assert len(sent) == (11 if connection.vendor == "sqlite" else 10), sent
    # the try, what it was about, the outcome, plans; is there more, then the lease ends
    assert len(finished) == 9, finished


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_ten_at_once")
def test_messages_that_go_at_once_share_their_statements() -> None:
    def sent_to(number: int) -> int:
        for n in range(number):
            received("customer.deleted", account=f"acct_{number}_{n}")
        process_all()
        courier = Courier("chat", start=lambda _name, run: run())
        asked = len(statements(lambda: (courier.step(), courier.step())))
        assert len(memory.outbox) == number
        memory.clear()
        return asked

    one, eight = sent_to(1), sent_to(8)
    assert (eight - one) / 7 <= 2


# --- Indexes ------------------------------------------------------------------------------------------------------


def receive() -> None:
    received("invoice.paid")


def deliver() -> None:
    courier = Courier("chat", start=lambda _name, run: run())
    courier.step()
    courier.step()


def digest() -> None:
    now = timezone.now()
    data = collect(
        DigestPlan("daily", ("chat",), at=time_of_day(8), every="day", tz="UTC"),
        a_target("chat:us").pk,
        Period(now - timedelta(days=1), now, ""),
        now,
        count_events=inbound.event_counts,
    )
    assert data.failures == 3


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "run",
    [
        receive,
        webhooks_tasks.process_due,
        webhooks_tasks.tick,
        lambda: tick.Tick().step(),
        deliver,
        lambda: loops.oldest_due("chat")(timezone.now()),
        digest,
    ],
    ids=["receive", "claim and process", "webhooks' tick", "notifier's tick", "deliver", "watchdog", "digest"],
)
def test_what_runs_all_day_reads_by_index(run: Callable[[], object]) -> None:
    for n in range(3):
        received("customer.deleted", account=f"acct_{n}")
    process_all()
    received("customer.deleted", account="acct_3")
    for sql in statements(run):
        if RARE in sql or " times: " in sql:  # "3 times: UPDATE ... WHERE id": rows by their key
            continue
        with transaction.atomic():
            found = scanned(sql)
        # A digest reads the alerts, which are few, from end to end.
        assert not [table for table in found if run is not digest or "alert" not in table], sql


# --- Room ---------------------------------------------------------------------------------------------------------


def store(number: int) -> None:
    """Without the test client, which never gives back all of its memory."""
    for _ in range(number):
        body = json.dumps(samples.snapshot("customer.deleted", account="acct_1"))
        receiving.store(events.parse(body, "default"), body, timezone.now())


def storm(number: int) -> None:
    store(number)
    process_all()


@pytest.fixture
def _silent() -> Iterator[None]:
    """pytest keeps every log line."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_silent")
def test_memory_does_not_grow_with_a_storm() -> None:
    number = 300
    storm(100)  # caches fill, and below the one of redacted words, which holds a thousand
    for n in range(1000):
        redact(f"evt_{n:024}")
    tracemalloc.start()
    try:
        storm(20)
        grown = [growth(lambda: storm(number)) for _ in range(2)]
    finally:
        tracemalloc.stop()
    # What is kept of each failure is kept in both; the table of a full cache is made anew in one of them at most.
    assert min(grown) < number * 300  # of 100,000 failures: 30 MB


def growth(run: Callable[[], object]) -> int:
    """The bytes that are in use after it, and were not before."""
    gc.collect()
    before = tracemalloc.get_traced_memory()[0]
    run()
    gc.collect()
    return tracemalloc.get_traced_memory()[0] - before


@pytest.mark.django_db(transaction=True)
def test_a_failure_of_a_storm_takes_less_than_a_kilobyte() -> None:
    storm(20)
    number = 300
    store(number)
    before = size()
    process_all()
    # Dead rows stay while somebody else still looks at them, as PostgreSQL does when it analyzes a table by itself.
    until(lambda: (size() - before) / number < 1000)


def size() -> int:
    """Bytes of the database, without dead rows, which PostgreSQL reclaims by itself later."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()")
        else:
            cursor.execute("VACUUM FULL")
            cursor.execute("SELECT pg_database_size(current_database())")
        return int(cursor.fetchone()[0])
