"""Claims and leases: one worker at a time, and none that dies keeps an event."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection, transaction
from django.utils import timezone

import alerts_runtime.leasing.clock
from alerts_runtime.isolation import threads
from alerts_runtime.leasing import holders
from tests.holding import let_pass
from tests.runtime.waiting import until
from tests.webhooks.conftest import Change, Connect, die
from tests.webhooks.stripe_side import make_due, received
from webhooks import loops, signals
from webhooks.events import StripeEvent
from webhooks.handlers import on
from webhooks.models import Failure, WebhookEvent
from webhooks.process import attempt, claim, errors, lost, processing, retry, settle, timeouts
from webhooks.process.attempt import Attempt

pytestmark = pytest.mark.django_db(transaction=True)


class Clock:
    """The monotonic clock, in the test's hands."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        for module in (attempt, alerts_runtime.leasing.clock):
            monkeypatch.setattr(module, "monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def in_threads(number: int, run: Callable[[], Any]) -> None:
    """Run it in so many threads at once, and raise what any of them raised."""
    start = threading.Barrier(number)
    raised: list[BaseException] = []

    def body() -> None:
        try:
            start.wait(10)
            run()
        except BaseException as error:  # noqa: BLE001 - the test raises it below
            raised.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=body) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    if raised:
        raise raised[0]
    assert not any(thread.is_alive() for thread in threads)


def claimed_by_another() -> Attempt:
    """By a process that is gone since."""
    (claimed,) = claim.claim(timezone.now())
    die()
    return claimed


def plan() -> retry.Plan:
    return retry.Plan(timezone.now())


# --- Races --------------------------------------------------------------------------------------------------------


def test_workers_that_race_process_each_event_once() -> None:
    seen: Counter[str] = Counter()
    on("*", atomic=False)(lambda event: seen.update([event.id]))
    on("*")(lambda event: Group.objects.create(name=event.id))
    events = {received().event_id for _ in range(24)}

    def work() -> None:
        while processing.process_due():
            pass

    in_threads(4, work)
    assert seen == dict.fromkeys(events, 1)
    assert Group.objects.count() == 24
    assert set(WebhookEvent.objects.values_list("state", "attempts")) == {("processed", 1)}


def test_one_event_is_claimed_by_one_of_many() -> None:
    received()
    claims: list[Attempt] = []

    def try_it() -> None:
        claims.extend(claim.claim(timezone.now()))

    in_threads(6, try_it)
    assert len(claims) == 1
    row = WebhookEvent.objects.get()
    assert (row.attempts, row.token) == (1, claims[0].token)


# --- Lost leases --------------------------------------------------------------------------------------------------


def test_whoever_lost_the_lease_writes_nothing() -> None:
    received()
    claimed = claimed_by_another()
    WebhookEvent.objects.update(token="of another")
    before = WebhookEvent.objects.values().get()
    now = timezone.now()
    with transaction.atomic():
        assert not claim.confirm(claimed)
    assert not settle.finish(claimed, now)
    assert settle.fail(claimed, errors.describe(ValueError()), plan(), now) is None
    assert claim.hand_back([claimed]) == 0
    assert WebhookEvent.objects.values().get() == before
    assert not Failure.objects.exists()


def test_a_worker_that_comes_back_from_the_dead_runs_no_handler() -> None:
    ran: list[str] = []
    on("*")(lambda event: ran.append(event.id))
    received()
    late = claimed_by_another()
    attempt.in_progress.add([late])
    WebhookEvent.objects.update(token="of another")
    assert processing.process(late) is attempt.Result.BUSY
    assert ran == []
    assert WebhookEvent.objects.get().state == "processing"


def test_handlers_outside_the_transaction_do_not_run_for_a_lost_lease() -> None:
    ran: list[str] = []
    on("*", atomic=False)(lambda event: ran.append(event.id))
    received()
    (late,) = claim.claim(timezone.now())
    WebhookEvent.objects.update(token="of another")
    assert processing.process(late) is attempt.Result.BUSY
    assert ran == []


def _expire() -> list[tuple[WebhookEvent, Failure]]:
    """Look twice, with the time in between that a living process needs to say so."""
    assert list(lost.expire(timezone.now())) == []
    let_pass()
    return list(lost.expire(timezone.now()))


def test_a_worker_that_is_gone_is_a_failure_and_a_retry() -> None:
    received()
    claimed_by_another()
    ((row, failure),) = _expire()
    assert (row.state, row.token) == ("pending", "")
    assert (failure.exception, failure.attempt, failure.max_attempts) == ("webhooks.exceptions.WorkerLost", 1, 3)
    assert failure.will_retry
    stored = WebhookEvent.objects.get()
    assert (stored.state, stored.due_at) == ("pending", failure.next_attempt_at)


def test_an_event_that_kills_its_workers_ends_dead() -> None:
    row = received()
    for number in (1, 2, 3):
        make_due(row)
        claimed_by_another()
        ((_, failure),) = _expire()
        assert (failure.attempt, failure.will_retry) == (number, number < 3)
    assert WebhookEvent.objects.get().state == "dead"


def test_an_outage_before_it_does_not_count_as_a_killed_worker() -> None:
    row = received()
    WebhookEvent.objects.update(attempts=7)
    make_due(row)
    claimed_by_another()
    ((_, failure),) = _expire()
    assert (failure.attempt, failure.max_attempts, failure.will_retry) == (8, 10, True)


def test_a_worker_must_be_silent_for_a_while() -> None:
    received()
    claimed_by_another()
    assert list(lost.expire(timezone.now())) == []
    let_pass(holders.BEATS - 1)
    assert list(lost.expire(timezone.now())) == []
    assert WebhookEvent.objects.get().state == "processing"


@pytest.mark.parametrize("step", [timedelta(hours=1), timedelta(hours=-1)])
def test_a_clock_that_is_set_ends_no_living_lease(step: timedelta) -> None:
    received()
    assert claim.claim(timezone.now())
    mine, holders._mine = holders._mine, holders.Beat()  # another process looks on
    for _ in range(4 * holders.BEATS):
        mine.beat()
        let_pass(1)
        assert list(lost.expire(timezone.now() + step)) == []
    assert WebhookEvent.objects.get().state == "processing"


def test_what_was_planned_before_the_clock_stepped_back_is_not_late_by_as_much(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = timezone.now()
    row = received()
    monkeypatch.setattr(loops, "_stepped_back", alerts_runtime.leasing.clock.SteppedBack())
    monkeypatch.setattr(timezone, "now", lambda: now + timedelta(hours=1))
    loops.tick()
    WebhookEvent.objects.update(due_at=now + timedelta(hours=1, seconds=20))
    clock.now += 1
    monkeypatch.setattr(timezone, "now", lambda: now + timedelta(seconds=1))
    loops.tick()
    row.refresh_from_db()
    assert row.due_at == now + timedelta(seconds=20)


def test_the_lease_of_a_dead_worker_is_taken_and_the_old_token_is_void() -> None:
    row = received()
    old = claimed_by_another()
    _expire()
    make_due(row)
    new = claimed_by_another()
    assert not settle.finish(old, timezone.now())
    assert settle.finish(new, timezone.now())


# --- Hung, and stopped --------------------------------------------------------------------------------------------


def test_a_hung_handler_is_ended_once(clock: Clock) -> None:
    received()
    (mine,) = claim.claim(timezone.now())
    assert attempt.in_progress.begin(mine)
    clock.now += 901
    timeouts.look()
    timeouts.look()
    until(lambda: Failure.objects.exists())
    until(lambda: threading.current_thread() in threads.hung())
    assert Failure.objects.get().exception.endswith("HandlerTimeout")
    assert attempt.in_progress.take(lambda _: True) == []
    threads.take_back()


def test_a_worker_that_stops_hands_back_what_it_has_not_finished() -> None:
    row = received()
    (mine,) = claim.claim(timezone.now())
    assert attempt.in_progress.begin(mine)
    loops.hand_back(1)
    row.refresh_from_db()
    assert (row.state, row.attempts, row.token) == ("pending", 0, "")
    assert row.due_at
    assert row.due_at <= timezone.now()
    assert claimed_by_another().row.attempts == 1


# --- PostgreSQL ---------------------------------------------------------------------------------------------------


@pytest.fixture
def busy_row() -> Any:
    """A row that its handlers' transaction, in another thread, holds locked."""
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no row locks")
    entered, leave = threading.Event(), threading.Event()

    @on("*")
    def wait(event: StripeEvent) -> None:
        entered.set()
        assert leave.wait(30)

    received()

    def work() -> None:
        try:
            processing.process_due()
        finally:
            connection.close()

    worker = threading.Thread(target=work)
    worker.start()
    assert entered.wait(10)
    yield
    leave.set()
    worker.join(30)
    assert WebhookEvent.objects.get().state == "processed"


def test_a_row_locked_by_its_living_handlers_is_neither_handed_back_nor_expired(busy_row: None) -> None:
    (running,) = attempt.in_progress.take(lambda _: True)
    die()
    assert claim.hand_back([running]) == 0
    assert _expire() == []
    assert claim.claim(timezone.now()) == []


def test_postgresql_ends_a_transaction_whose_handler_hangs(
    webhooks_settings: Change, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("needs idle_in_transaction_session_timeout of PostgreSQL")
    # The watcher that another test may have started would end it first, and write off the tests' own thread.
    monkeypatch.setattr(attempt.in_progress, "take_hung", lambda _timeout: [])
    webhooks_settings(HANDLER_TIMEOUT=1)
    told: list[str] = []
    connect(signals.webhook_processing_error, lambda exception, **_: told.append(type(exception).__name__))

    @on("*")
    def hang(event: StripeEvent) -> None:
        Group.objects.create(name="x")
        time.sleep(1.6)
        Group.objects.create(name="y")

    received()
    assert processing.process_due()
    assert told == ["InternalError"]  # psycopg's IdleInTransactionSessionTimeout
    assert not Group.objects.exists()
    assert WebhookEvent.objects.get().state == "pending"
