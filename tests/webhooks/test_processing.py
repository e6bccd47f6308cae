"""One event through the worker: handlers, signals, retries, and what is written down of failures."""

from __future__ import annotations

import sqlite3
import threading
import time
from asyncio import CancelledError
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import requests
import time_machine
from django.contrib.auth.models import Group
from django.db import IntegrityError, OperationalError, connection, transaction
from django.db.backends.sqlite3.base import DatabaseWrapper
from django.dispatch import receiver
from django.utils import timezone

from alerts_runtime import background
from alerts_runtime.isolation import later
from alerts_runtime.wakeups import wake
from tests.runtime.waiting import until
from tests.webhooks.conftest import Connect
from tests.webhooks.stripe_side import deliver, make_due, received
from webhooks import loops, samples, signals
from webhooks.events import StripeEvent
from webhooks.exceptions import RejectDelivery
from webhooks.handlers import on
from webhooks.models import Failure, Traceback, WebhookEvent
from webhooks.process import claim, failures, processing, run, settle
from webhooks.process.attempt import Attempt

# Real commits: callbacks of on_commit and durable transactions are part of the behaviour.
pytestmark = pytest.mark.django_db(transaction=True)


def work() -> bool:
    return processing.process_due()


def failing(error: BaseException) -> None:
    @on("*")
    def handle(event: StripeEvent) -> None:
        raise error


def work_on() -> bool:
    """As a worker does: until nothing is due."""
    return processing.process_due(until=time.monotonic() + 60)


# --- Success ------------------------------------------------------------------------------------------------------


def test_an_event_runs_its_handlers_once_and_is_processed() -> None:
    seen: list[str] = []

    @on("invoice.*")
    def first(event: StripeEvent) -> None:
        seen.append(f"first {event.id}")

    @on("charge.*")
    def other(event: StripeEvent) -> None:
        seen.append("other")

    @on("invoice.paid")
    def second(event: StripeEvent) -> None:
        seen.append(f"second {event.amount} {event.currency}")

    row = received("invoice.paid", amount=900, currency="usd")
    assert work()
    assert not work()
    assert seen == [f"first {row.event_id}", "second 900 usd"]
    row.refresh_from_db()
    assert (row.state, row.how_processed, row.attempts, row.due_at, row.token) == ("processed", "first", 1, None, "")
    assert row.processed_at
    assert not Failure.objects.exists()


def test_an_event_without_handlers_is_processed() -> None:
    row = received("product.created")
    work()
    row.refresh_from_db()
    assert row.state == "processed"


def test_the_longest_waiting_event_comes_first_and_none_before_its_time() -> None:
    seen: list[str] = []
    on("*")(lambda event: seen.append(event.type))
    late, early, future = received("a.late"), received("a.early"), received("a.future")
    for row, minutes in ((late, -1), (early, -2), (future, 1)):
        WebhookEvent.objects.filter(pk=row.pk).update(due_at=timezone.now() + timedelta(minutes=minutes))
    assert [work(), work(), work()] == [True, True, False]
    assert seen == ["a.early", "a.late"]


def test_effects_in_the_database_commit_with_the_events_state() -> None:
    @on("*")
    def write(event: StripeEvent) -> None:
        Group.objects.create(name=event.id)
        assert connection.in_atomic_block

    row = received()
    work()
    assert Group.objects.filter(name=row.event_id).exists()


def test_a_failed_attempt_leaves_nothing_and_a_later_one_does_it_once() -> None:
    attempts: list[int] = []

    @on("*")
    def write(event: StripeEvent) -> None:
        Group.objects.create(name=event.id)
        attempts.append(1)
        if len(attempts) == 1:
            raise KeyError("amount")

    row = received()
    work()
    assert not Group.objects.exists()
    make_due(row)
    work()
    assert Group.objects.count() == 1
    row.refresh_from_db()
    assert (row.state, row.how_processed, row.attempts, row.last_error) == ("processed", "retry", 2, "")


def test_handlers_outside_the_transaction_run_first_and_again_when_a_later_one_fails() -> None:
    seen: list[tuple[str, bool]] = []

    @on("*")
    def inside(event: StripeEvent) -> None:
        seen.append(("inside", connection.in_atomic_block))
        if len(seen) < 3:
            raise KeyError

    @on("*", atomic=False)
    def outside(event: StripeEvent) -> None:
        seen.append(("outside", connection.in_atomic_block))

    row = received()
    work()
    make_due(row)
    work()
    assert seen == [("outside", False), ("inside", True)] * 2


def test_callbacks_of_on_commit_run_after_the_event_is_processed() -> None:
    states: list[str] = []

    @on("*")
    def handle(event: StripeEvent) -> None:
        transaction.on_commit(lambda: states.append(WebhookEvent.objects.get().state))

    received()
    work()
    assert states == ["processed"]


# --- Failure ------------------------------------------------------------------------------------------------------


def test_a_failure_is_written_down_and_the_next_attempt_planned() -> None:
    failing(KeyError("amount sk_live_abcdefghijklmnop"))
    row = received()
    before = timezone.now()
    work()
    row.refresh_from_db()
    failure = Failure.objects.get()
    assert (row.state, row.attempts, row.token) == ("pending", 1, "")
    assert row.last_error.startswith("KeyError: 'amount")
    assert row.due_at == failure.next_attempt_at
    assert row.due_at
    assert before + timedelta(seconds=10) <= row.due_at <= timezone.now() + timedelta(seconds=12)
    assert (failure.event, failure.attempt, failure.max_attempts, failure.will_retry) == (row, 1, 4, True)
    assert (failure.exception, failure.bases) == ("KeyError", ["LookupError", "Exception"])
    assert "sk_live" not in failure.message + row.last_error
    assert (failure.module, failure.function) == (__name__, "failing.<locals>.handle")
    assert failure.file.endswith("webhooks/test_processing.py")
    assert failure.traceback
    assert "raise error" in failure.traceback.text
    assert failure.gives_up_at
    assert failure.gives_up_at > row.due_at
    assert failure.announced_at
    assert failure.announcements == 1


def test_a_bug_ends_dead_after_its_attempts() -> None:
    failing(ValueError("never"))
    row = received()
    for _ in range(4):
        make_due(row)
        assert work()
    row.refresh_from_db()
    assert (row.state, row.attempts, row.due_at) == ("dead", 4, None)
    assert list(Failure.objects.order_by("pk").values_list("attempt", "will_retry")) == [
        (1, True),
        (2, True),
        (3, True),
        (4, False),
    ]
    last = Failure.objects.latest("pk")
    assert (last.next_attempt_at, last.gives_up_at) == (None, None)
    assert not work()


def test_an_outage_outlasts_many_attempts() -> None:
    failing(OperationalError("server closed the connection unexpectedly"))
    row = received()
    for _ in range(6):
        make_due(row)
        work()
    row.refresh_from_db()
    assert row.state == "pending"
    assert Failure.objects.latest("pk").exception == "django.db.OperationalError"


class WithoutClassError(Exception):
    @property  # type: ignore[misc] # hostile
    def __class__(self) -> Any:
        raise SystemExit(3)


@pytest.mark.parametrize(
    "cls", [SystemExit, GeneratorExit, RecursionError, MemoryError, CancelledError, WithoutClassError]
)
def test_whatever_a_handler_raises_is_its_failure(cls: type[BaseException]) -> None:
    failing(cls("deep"))
    received()
    work()
    assert Failure.objects.get().exception.rpartition(".")[2] == cls.__name__


def test_only_an_interrupt_ends_the_worker_and_gives_the_event_back() -> None:
    failing(KeyboardInterrupt())
    row = received()
    with pytest.raises(KeyboardInterrupt):
        work()
    row.refresh_from_db()
    assert (row.state, row.attempts, row.token) == ("pending", 0, "")
    assert not Failure.objects.exists()


def test_in_a_worker_s_thread_an_interrupt_is_raised_by_the_handler_itself_and_its_failure() -> None:
    failing(KeyboardInterrupt())
    received()
    in_a_thread(work)
    assert Failure.objects.get().exception == "KeyboardInterrupt"


def in_a_thread(target: Callable[[], object]) -> None:
    def run_it() -> None:
        try:
            target()
        finally:
            connection.close()

    thread = Thread(target=run_it)
    thread.start()
    thread.join()


def test_a_handler_that_swallows_a_database_error_fails() -> None:
    @on("*")
    def handle(event: StripeEvent) -> None:
        Group.objects.create(name="a")
        try:
            with transaction.atomic(savepoint=False):
                Group.objects.create(name="a")
        except IntegrityError:
            pass

    row = received()
    work()
    row.refresh_from_db()
    assert row.state == "pending"
    assert not Group.objects.exists()
    assert Failure.objects.get().exception == "django.db.transaction.TransactionManagementError"


def test_what_was_found_of_an_exception_is_written_down() -> None:
    response = requests.Response()
    response.status_code, response.url = 503, "https://tax.example.com/rates"

    @on("*")
    def handle(event: StripeEvent) -> None:
        try:
            raise requests.HTTPError("503", response=response)
        except requests.HTTPError as error:
            raise RuntimeError("no tax") from error

    row = received()
    work()
    row.refresh_from_db()
    failure = Failure.objects.get()
    assert (failure.exception, failure.kind, failure.transient) == ("RuntimeError", "service-error", True)
    assert failure.peer == "tax.example.com"
    assert failure.max_attempts
    assert failure.max_attempts > 10  # waited out, as the judgement says


def test_a_group_is_retried_as_its_worst_part() -> None:
    failing(ExceptionGroup("both", [TimeoutError("no answer"), KeyError("amount")]))
    received()
    work()
    failure = Failure.objects.get()
    assert (failure.kind, failure.transient, failure.max_attempts) == ("code", False, 4)
    assert "KeyError: 'amount'" in failure.message


def test_a_handler_that_waits_for_its_own_transaction_has_a_bug() -> None:
    if connection.vendor != "sqlite":
        pytest.skip("only SQLite has one writer")
    name = connection.settings_dict["NAME"]

    @on("*")
    def handle(event: StripeEvent) -> None:
        with closing(sqlite3.connect(name, timeout=0, uri=True)) as other:
            other.execute("CREATE TABLE other (x)")

    received()
    work()
    failure = Failure.objects.get()
    assert (failure.kind, failure.transient, failure.max_attempts) == ("database-own-lock", False, 4)


def test_a_lock_of_another_database_is_somebody_elses(tmp_path: Path) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("only SQLite has one writer")
    file = tmp_path / "other.sqlite3"
    second = DatabaseWrapper({**connection.settings_dict, "NAME": str(file), "OPTIONS": {"timeout": 0}}, "second")

    @on("*")
    def handle(event: StripeEvent) -> None:
        with second.cursor() as cursor:
            cursor.execute("CREATE TABLE other (x)")

    received()
    with closing(sqlite3.connect(file, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        work()
    second.close()
    failure = Failure.objects.get()
    assert (failure.kind, failure.transient) == ("database-contention", True)


def test_a_constraint_that_breaks_at_the_commit_is_a_failure() -> None:
    @on("*")
    def handle(event: StripeEvent) -> None:
        Failure.objects.create(event_id=999_999, attempt=1, occurred_at=timezone.now(), will_retry=False)

    row = received()
    work()
    row.refresh_from_db()
    assert (row.state, row.processed_at, row.how_processed) == ("pending", None, "")
    assert Failure.objects.get().exception == "django.db.IntegrityError"


def break_() -> None:
    raise KeyError("missing")


def test_a_callback_that_fails_after_the_commit_is_told_and_not_retried(connect: Connect) -> None:
    told: list[Any] = []
    connect(signals.webhook_processing_error, lambda **kwargs: told.append(kwargs))

    @on("*")
    def handle(event: StripeEvent) -> None:
        transaction.on_commit(break_)

    row = received()
    assert work()
    row.refresh_from_db()
    assert row.state == "incomplete"
    assert [(call["will_retry"], repr(call["exception"])) for call in told] == [(False, "KeyError('missing')")]


def test_a_failure_that_cannot_be_written_is_written_later(monkeypatch: pytest.MonkeyPatch, connect: Connect) -> None:
    told: list[str] = []
    connect(signals.webhook_processing_error, lambda exception, **_: told.append(str(exception)))
    failing(ValueError("first"))
    row = received()
    known, back = failures.record, threading.Event()

    def away(*given: Any, **named: Any) -> Failure:
        if not back.is_set():
            raise OperationalError("the database is away")
        return known(*given, **named)

    monkeypatch.setattr(failures, "record", away)
    assert work()
    row.refresh_from_db()
    assert (row.state, row.attempts, told) == ("processing", 1, [])
    back.set()
    assert later.settle(10)
    row.refresh_from_db()
    assert (row.state, row.attempts, told) == ("pending", 1, ["first"])


def test_a_broken_connection_is_replaced_before_the_failure_is_written() -> None:
    @on("*")
    def handle(event: StripeEvent) -> None:
        connection.connection.close()  # as when the server goes away in the middle
        Group.objects.count()

    row = received()
    work()
    row.refresh_from_db()
    assert row.state == "pending"
    assert Failure.objects.count() == 1


def test_an_event_that_can_no_longer_be_read_fails_and_is_told(connect: Connect) -> None:
    told: list[StripeEvent] = []
    connect(signals.webhook_processing_error, lambda event, **_: told.append(event))
    row = received("invoice.paid")
    WebhookEvent.objects.update(body="{}")
    work()
    assert [(event.id, event.type, event.payload) for event in told] == [(row.event_id, "invoice.paid", {})]


def test_a_long_lock_on_sqlite_is_warned_about(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "LONG_LOCK", 0.01)

    @on("*")
    def slow(event: StripeEvent) -> None:
        time.sleep(0.02)

    received()
    work()
    assert ("event.database_locked_long" in caplog.text) == (connection.vendor == "sqlite")


def test_logs_name_the_event_and_hold_nothing_of_it(caplog: pytest.LogCaptureFixture) -> None:
    failing(ValueError("Jane Doe owes 5"))
    row = received("customer.created", email="jane@example.com")
    with caplog.at_level("INFO"):
        work()
    assert "event.failed" in caplog.text
    assert row.event_id in caplog.text
    assert "jane" not in caplog.text.lower()


# --- What it costs ------------------------------------------------------------------------------------------------


def _size() -> int:
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()")
        else:
            # The living rows: what autovacuum gives back is no growth, and when it comes is not ours to say.
            cursor.execute(
                "SELECT coalesce(sum(pg_column_size(failure.*)), 0) + pg_indexes_size('swa_webhooks_failure')"
                " + pg_total_relation_size('swa_webhooks_traceback') FROM swa_webhooks_failure failure"
            )
        return int(cursor.fetchone()[0])


def test_a_storm_of_failures_stays_small() -> None:
    """Less than 1.3 kB a failure with its indexes, though each stack is 30 frames deep.

    Some 80 bytes of it are the two indexes by which the pages find a customer's and an object's failures, and 110 what
    became of the handler, whose name is long here.
    """

    def deep(depth: int, event: StripeEvent) -> None:
        if depth:
            deep(depth - 1, event)
        raise OperationalError(
            f'connection to server at "10.0.0.5", port 5432 failed for {event.id}: ' + "timeout " * 10
        )

    on("*")(lambda event: deep(30, event))
    row = received()

    def storm(number: int) -> None:
        for _ in range(number):
            WebhookEvent.objects.update(attempts=0, due_at=timezone.now(), state="pending")
            work()

    storm(20)  # the first ones cost a page each: a stack, a table and its indexes begin
    before = _size()
    storm(100)
    assert row.failures.count() == 120
    assert Traceback.objects.count() == 1
    assert (_size() - before) / 100 < 1300


def test_a_traceback_that_was_pruned_behind_our_back_is_stored_again() -> None:
    failing(ValueError("x"))
    row = received()
    work()
    Failure.objects.all().delete()
    assert failures.prune_tracebacks() == 1
    make_due(row)
    work()
    assert Failure.objects.get().traceback == Traceback.objects.get()


# --- Signals ------------------------------------------------------------------------------------------------------


def test_the_receiver_that_dj_stripes_users_are_shown_works_as_written(
    capsys: pytest.CaptureFixture[str], connect: Connect
) -> None:
    def handle_webhook_error(sender: Any, event: Any, data: Any, exception: Any, **kwargs: Any) -> None:
        print(f"Webhook {event.type} failed: {str(exception)} {data['data']['object']['object']}")  # noqa: T201, RUF010

    receiver(signals.webhook_processing_error)(handle_webhook_error)
    try:
        failing(ValueError("no such order 7"))
        received("invoice.paid")
        work()
    finally:
        signals.webhook_processing_error.disconnect(handle_webhook_error)
    assert "Webhook invoice.paid failed: no such order 7 invoice\n" in capsys.readouterr().out


def test_every_signal_has_its_arguments_and_its_transaction_state(connect: Connect) -> None:
    calls: list[tuple[str, set[str], bool]] = []

    def record(name: str) -> Any:
        def call(sender: Any, signal: Any, **kwargs: Any) -> None:
            assert sender is WebhookEvent
            assert kwargs.pop("api_key") is None
            calls.append((name, set(kwargs), connection.in_atomic_block))

        return call

    for name in ("pre_validate", "post_validate", "pre_process", "post_process", "processing_error"):
        connect(getattr(signals, f"webhook_{name}"), record(name))
    attempts: list[int] = []

    @on("*")
    def handle(event: StripeEvent) -> None:
        calls.append(("handler", set(), connection.in_atomic_block))
        attempts.append(1)
        if len(attempts) == 1:
            raise ValueError

    row = received()
    work()
    make_due(row)
    work()
    error = {"instance", "event", "data", "exception", "attempt", "will_retry", "next_attempt_at", "failure"}
    assert calls == [
        ("pre_validate", {"instance"}, False),
        ("post_validate", {"instance", "valid", "reason"}, False),
        ("pre_process", {"instance", "event"}, True),
        ("handler", set(), True),
        ("processing_error", error, False),
        ("pre_process", {"instance", "event"}, True),
        ("handler", set(), True),
        ("post_process", {"instance", "event"}, True),
    ]


def test_the_error_signal_comes_after_the_failure_was_committed(connect: Connect) -> None:
    seen: list[Any] = []

    def look(instance: WebhookEvent, failure: Failure, **kwargs: Any) -> None:
        stored = WebhookEvent.objects.get()
        seen.append((stored.state, instance.state, Failure.objects.get() == failure, kwargs["attempt"]))

    connect(signals.webhook_processing_error, look)
    failing(ValueError())
    received()
    work()
    assert seen == [("pending", "pending", True, 1)]


@pytest.mark.parametrize("name", ["webhook_pre_process", "webhook_post_process"])
def test_a_receiver_that_raises_around_the_handlers_fails_the_attempt(name: str, connect: Connect) -> None:
    def refuse(**_: Any) -> None:
        raise ValueError("not now")

    connect(getattr(signals, name), refuse)
    on("*")(lambda event: Group.objects.create(name="x"))
    row = received()
    work()
    row.refresh_from_db()
    assert row.state == "pending"
    assert not Group.objects.exists()
    assert Failure.objects.get().message == "not now"


def test_an_error_receiver_that_raises_is_logged_and_the_others_run(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[str] = []

    def broken(**_: Any) -> None:
        raise RuntimeError("receiver is broken")

    connect(signals.webhook_processing_error, broken)
    connect(signals.webhook_processing_error, lambda event, **_: told.append(event.type))
    failing(ValueError())
    received()
    work()
    assert told == ["invoice.paid"]
    assert "receiver is broken" in caplog.text
    failure = Failure.objects.get()
    assert failure.announced_at is None
    assert failure.unheard.endswith("<locals>.broken")


@pytest.mark.parametrize("name", ["webhook_pre_validate", "webhook_post_validate"])
@pytest.mark.parametrize("error", [RuntimeError("receiver is broken"), SystemExit("receiver is broken")])
def test_a_receiver_that_raises_around_the_validation_is_logged(
    error: BaseException, name: str, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[Any] = []

    def broken(**_: Any) -> None:
        raise error

    connect(getattr(signals, name), broken)
    connect(getattr(signals, name), lambda **kwargs: heard.append(kwargs))
    received()
    assert "receiver is broken" in caplog.text
    assert len(heard) == 1


def test_reject_delivery_refuses_before_the_signature_is_looked_at(connect: Connect) -> None:
    seen: list[signals.Delivery] = []
    validated: list[Any] = []

    def reject(instance: signals.Delivery, **_: Any) -> None:
        seen.append(instance)
        raise RejectDelivery("not from there: secret-reason")

    connect(signals.webhook_pre_validate, reject)
    connect(signals.webhook_post_validate, lambda **kwargs: validated.append(kwargs))
    response = deliver(samples.snapshot("invoice.paid"))
    assert response.status_code == 400
    assert b"secret-reason" not in response.content
    assert (seen[0].endpoint, seen[0].remote_addr, seen[0].signature[:2]) == ("default", "127.0.0.1", "t=")
    assert "v1=" not in repr(seen[0])
    assert validated == []
    assert not WebhookEvent.objects.exists()


def test_post_validate_says_why_a_request_is_invalid(connect: Connect) -> None:
    told: list[tuple[bool, str]] = []
    connect(signals.webhook_post_validate, lambda valid, reason, **_: told.append((valid, reason)))
    event = samples.snapshot("invoice.paid")
    deliver(event, secret="whsec_x")
    deliver("[]")
    deliver(event)
    assert told == [(False, "no_match"), (False, "malformed_event"), (True, "")]


# --- One after the other ------------------------------------------------------------------------------------------


def test_a_few_are_claimed_together_and_run_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processing, "_pace", 0.0)
    states: list[list[str]] = []

    @on("*")
    def look(event: StripeEvent) -> None:
        transaction.on_commit(lambda: states.append(list(known.values_list("state", flat=True))))

    known = WebhookEvent.objects.order_by("pk")
    for _ in range(3):
        received()
    assert work_on()
    assert states == [
        ["processed", "processing", "processing"],
        ["processed", "processed", "processing"],
        ["processed", "processed", "processed"],
    ]
    assert not work_on()


def test_what_fails_takes_nothing_with_it_and_the_others_follow() -> None:
    seen: list[str] = []

    @on("*")
    def second_fails(event: StripeEvent) -> None:
        seen.append(event.id)
        if len(seen) == 2:
            raise ValueError("broken")

    ids = [received().event_id for _ in range(3)]
    assert work_on()
    assert seen == ids
    assert [row.state for row in WebhookEvent.objects.order_by("pk")] == ["processed", "pending", "processed"]
    assert {row.attempts for row in WebhookEvent.objects.all()} == {1}


def test_a_commit_that_fails_takes_no_other_event_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processing, "_pace", 0.0)
    first, second = received(), received()
    finish = settle.finish

    def broken(attempt: Attempt, now: datetime) -> bool:
        if finish(attempt, now) and attempt.row.pk == first.pk:
            raise OperationalError("the server went away before the commit")
        return True

    monkeypatch.setattr(settle, "finish", broken)
    assert work_on()
    first.refresh_from_db()
    second.refresh_from_db()
    assert [first.attempts, second.attempts] == [1, 1]
    assert [first.state, second.state] == ["pending", "processed"]
    assert Failure.objects.count() == 1


def test_who_has_no_time_left_takes_nothing() -> None:
    received(), received()
    assert processing.process_due(until=0.0)
    assert [row.state for row in WebhookEvent.objects.order_by("pk")] == ["processed", "pending"]


@pytest.mark.parametrize(("due", "is_woken"), [(1, False), (2, True)])
def test_a_thread_that_waits_is_woken_when_more_is_due(due: int, is_woken: bool) -> None:
    for _ in range(due):
        received()
    waker = wake.Waker("events")
    idle = threading.Thread(target=lambda: waker.wait(10))
    idle.start()
    until(lambda: waker.is_idle)

    assert work()
    assert waker.is_idle is not is_woken
    waker.set()
    idle.join(10)


# --- The loop -----------------------------------------------------------------------------------------------------


def test_the_step_says_when_to_look_again() -> None:
    assert loops.process_due() == loops.TICK
    row = received()
    assert loops.process_due() == loops.TICK
    WebhookEvent.objects.filter(pk=row.pk).update(state="pending", due_at=timezone.now() + timedelta(seconds=30))
    assert 29 < loops.process_due() <= 30


def test_since_when_work_waits_is_known() -> None:
    now = timezone.now()
    assert loops.oldest_due(now) is None
    row = received()
    assert loops.oldest_due(timezone.now()) == row.due_at
    assert loops.oldest_due(now - timedelta(days=1)) is None


def test_the_loops_are_registered_with_the_worker() -> None:
    names = {loop.name: loop for loop in background.registered()}
    assert {"events", "webhooks-tick"} <= set(names)
    assert names["events"].threads >= 1
    assert names["webhooks-tick"].topic is None


def test_time_is_the_callers() -> None:
    row = received()
    assert claim.claim(row.received_at - timedelta(seconds=1)) == []
    with time_machine.travel(datetime(2030, 1, 1, tzinfo=UTC)):
        assert claim.claim(timezone.now())


def test_losing_the_lease_in_the_middle_writes_nothing() -> None:
    @on("*")
    def handle(event: StripeEvent) -> None:
        Group.objects.create(name="x")
        WebhookEvent.objects.update(token="taken by another worker")

    row = received()
    work()
    row.refresh_from_db()
    assert row.state == "processing"
    assert not Group.objects.exists()
    assert not Failure.objects.exists()
