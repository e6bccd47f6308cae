"""Handlers that hang: the attempt ends where it was, nothing of it stays, and others go on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection, transaction
from django.utils import timezone

from alerts_runtime.isolation import threads
from tests.runtime.waiting import until
from tests.webhooks.conftest import Change, Connect
from tests.webhooks.stripe_side import make_due, received
from webhooks import signals
from webhooks.events import StripeEvent
from webhooks.handlers import on
from webhooks.models import Failure, WebhookEvent
from webhooks.process import attempt, claim, processing, timeouts

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _limit(webhooks_settings: Change) -> None:
    webhooks_settings(HANDLER_TIMEOUT=1)


class Hanging:
    """A handler that hangs until it is told to go on, and then writes."""

    def __init__(self) -> None:
        self.entered, self.go_on = threading.Event(), threading.Event()
        self.raised: list[BaseException] = []

    def __call__(self, event: StripeEvent) -> None:
        Group.objects.create(name="early")
        self.entered.set()
        self.go_on.wait()
        try:
            Group.objects.create(name="late")
        except Exception as error:
            self.raised.append(error)
            raise


@contextmanager
def at_work() -> Iterator[threading.Thread]:
    def work() -> None:
        try:
            processing.process_due()
        finally:
            threads.close_connections()

    thread = threading.Thread(target=work, name="events-1")
    thread.start()
    yield thread
    thread.join(10)
    assert not thread.is_alive()


def time_out() -> Failure:
    def ended() -> bool:
        timeouts.look()
        return Failure.objects.filter(announced_at__isnull=False).exists()

    until(ended)
    return Failure.objects.get()


@pytest.mark.parametrize("atomic", [True, False], ids=["atomic", "outside"])
def test_an_attempt_that_hangs_ends_where_it_is_and_its_late_writes_are_refused(atomic: bool, connect: Connect) -> None:
    hanging = Hanging()
    on("*", atomic=atomic)(hanging)
    told: list[str] = []
    connect(signals.webhook_processing_error, lambda exception, **_: told.append(str(exception)))
    row = received()
    with at_work() as thread:
        try:
            assert hanging.entered.wait(10)
            failure = time_out()
            assert hanging.raised == []  # it still hangs
            until(lambda: threads.hung() == [thread])  # written off when its end has been told
        finally:
            hanging.go_on.set()
    assert failure.exception == "webhooks.exceptions.HandlerTimeout"
    assert failure.kind == "handler-timeout"
    assert failure.message.startswith("timed out after 1 s in ")
    assert f"test_timeouts.py:{Hanging.__call__.__code__.co_firstlineno + 3}" in failure.message
    assert failure.traceback
    assert "self.go_on.wait()" in failure.traceback.text
    assert "process_due" not in failure.traceback.text
    assert told == [failure.message]
    assert len(hanging.raised) == 1
    assert set(Group.objects.values_list("name", flat=True)) == (set() if atomic else {"early"})
    assert Failure.objects.count() == 1  # its late end is no second one
    row.refresh_from_db()
    assert (row.state, row.attempts, row.token) == ("pending", 1, "")


def test_the_database_is_free_at_the_limit_and_the_next_attempt_works() -> None:
    """On SQLite nobody else could write for as long as it hangs."""
    hanging = Hanging()
    on("*")(lambda event: hanging(event) if event.type == "a.hangs" else Group.objects.create(name=event.type))
    row = received("a.hangs")
    with at_work():
        try:
            assert hanging.entered.wait(10)
            time_out()
            began = time.monotonic()
            received("a.b")
            assert processing.process_due()
            assert time.monotonic() - began < 5
            assert Group.objects.get().name == "a.b"
        finally:
            hanging.go_on.set()
    WebhookEvent.objects.filter(pk=row.pk).update(type="a.fine")
    make_due(row)
    assert processing.process_due()
    row.refresh_from_db()
    assert row.state == "processed"


def test_a_statement_that_takes_for_ever_is_ended() -> None:
    forever = {
        "sqlite": "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n",
        "postgresql": "SELECT pg_sleep(600)",
    }[connection.vendor]
    entered = threading.Event()

    @on("*")
    def handle(event: StripeEvent) -> None:
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                cursor.execute("SET LOCAL statement_timeout = 0")
            entered.set()
            cursor.execute(forever)

    received()
    with at_work():
        assert entered.wait(10)
        failure = time_out()
    assert failure.exception == "webhooks.exceptions.HandlerTimeout"


def test_what_ends_in_time_is_left_alone() -> None:
    on("*")(lambda event: timeouts.look())
    received()
    assert processing.process_due()
    assert not Failure.objects.exists()
    assert threads.hung() == []


def test_a_thread_that_comes_back_works_on_nothing_else() -> None:
    hanging = Hanging()
    on("*", atomic=False)(lambda event: hanging(event) if event.type == "a.hangs" else None)
    received("a.hangs")
    with at_work():
        try:
            assert hanging.entered.wait(10)
            time_out()
            received("a.b")
        finally:
            hanging.go_on.set()
    assert WebhookEvent.objects.get(type="a.b").state == "pending"


def test_inline_mode_is_watched_as_well(webhooks_settings: Change) -> None:
    hanging = Hanging()
    on("*")(hanging)
    row = received()
    webhooks_settings(MODE="inline", HANDLER_TIMEOUT=1)
    answers: list[Any] = []

    def request() -> None:
        try:
            answers.append(processing.process_inline(row.pk, timezone.now()))
        finally:
            threads.close_connections()

    thread = threading.Thread(target=request)
    thread.start()
    assert hanging.entered.wait(10)
    try:
        assert time_out().exception.endswith("HandlerTimeout")
    finally:
        hanging.go_on.set()
        thread.join(10)
    assert answers == [attempt.Result.BUSY]  # 503: Stripe delivers it again
    row.refresh_from_db()
    assert row.state == "pending"


def test_a_lock_that_the_handlers_own_thread_waits_for_is_named_as_that() -> None:
    if connection.vendor != "sqlite":
        pytest.skip("only SQLite has one writer")

    def write() -> None:
        connection.ensure_connection()
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA busy_timeout = 100")
        Group.objects.create(name="from a thread")

    received()
    on("*")(lambda event: in_a_thread(write))
    assert processing.process_due()
    failure = Failure.objects.get()
    assert failure.kind == "database-own-lock"
    assert not failure.transient


def in_a_thread(run: Callable[[], None]) -> None:
    raised: list[BaseException] = []

    def body() -> None:
        try:
            run()
        except BaseException as error:  # noqa: BLE001 - raised below, as a pool's result() does
            raised.append(error)
        finally:
            threads.close_connections()

    thread = threading.Thread(target=body)
    thread.start()
    thread.join(30)
    if raised:
        raise raised[0]


class Hostile(Exception):  # noqa: N818 - what it does matters
    """Whatever is asked of it, it does something else."""

    def __str__(self) -> str:
        raise SystemExit(3)

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)

    @property
    def response(self) -> Any:
        raise KeyError("response")

    @property
    def http_status(self) -> Any:
        raise SystemExit(4)


def test_whatever_an_exception_does_while_it_is_read_its_class_and_place_are_recorded(connect: Connect) -> None:
    told: list[object] = []
    connect(signals.webhook_processing_error, lambda exception, **_: told.append(type(exception)))

    @on("*")
    def handle(event: StripeEvent) -> None:
        with transaction.atomic():
            raise Hostile

    received()
    assert processing.process_due()
    failure = Failure.objects.get()
    assert failure.exception.endswith("Hostile")
    assert failure.function.endswith("handle")
    assert told == [Hostile]


def test_a_failure_is_still_written_once_when_the_lease_went_to_another() -> None:
    hanging = Hanging()
    on("*")(hanging)
    received()
    with at_work():
        try:
            assert hanging.entered.wait(10)
            time_out()
            assert claim.claim(timezone.now()) == []  # planned for later, and nobody's
        finally:
            hanging.go_on.set()
    assert Failure.objects.count() == 1
