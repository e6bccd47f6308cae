"""Events that are claimed together: held from their claim on, each run once, and none blamed for another."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import Group
from django.db import connection, transaction
from django.utils import timezone

from alerts_runtime.isolation.threads import close_connections
from tests.holding import let_pass
from tests.runtime.waiting import until
from tests.webhooks.conftest import die
from tests.webhooks.stripe_side import received
from tests.webhooks.test_leases import in_threads
from webhooks import loops
from webhooks.events import StripeEvent
from webhooks.handlers import on
from webhooks.models import Failure, WebhookEvent
from webhooks.process import attempt, claim, lost, processing, timeouts

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last event took no time, so that many are claimed."""
    monkeypatch.setattr(processing, "_pace", 0.0)


@pytest.fixture
def ticking() -> Iterator[None]:
    stop = threading.Event()

    def tick() -> None:
        try:
            while not stop.wait(0.2):
                timeouts.look()
                loops.tick()
        finally:
            close_connections()

    ticker = threading.Thread(target=tick)
    ticker.start()
    yield
    stop.set()
    ticker.join(10)


def work_on() -> None:
    try:
        processing.process_due(until=time.monotonic() + 60)
    finally:
        close_connections()


@pytest.mark.usefixtures("ticking")
def test_what_waits_behind_a_slow_callback_runs_once() -> None:
    """What was claimed with an event is held while callbacks of its commit run, and goes to others in good order."""
    ran: Counter[str] = Counter()

    @on("*", atomic=False)
    def count(event: StripeEvent) -> None:
        ran[event.id] += 1

    @on("a.slow")
    def slow(event: StripeEvent) -> None:
        transaction.on_commit(lambda: until(lambda: not behind.filter(state="processing").exists()))

    events = [received("a.slow").event_id, received("a.next").event_id]
    behind = WebhookEvent.objects.filter(type="a.next")
    work_on()
    until(lambda: not processing.process_due() and not WebhookEvent.objects.exclude(state="processed").exists())
    assert ran == dict.fromkeys(events, 1)
    assert not Failure.objects.exists()
    assert set(WebhookEvent.objects.values_list("attempts", flat=True)) == {1}


@pytest.mark.usefixtures("ticking")
def test_others_take_what_waits_behind_a_slow_handler() -> None:
    entered, leave = threading.Event(), threading.Event()

    @on("a.slow", atomic=False)
    def slow(event: StripeEvent) -> None:
        entered.set()
        assert leave.wait(30)

    received("a.slow")
    quick = received("a.quick")
    worker = threading.Thread(target=work_on)
    worker.start()
    try:
        assert entered.wait(10)
        quick.refresh_from_db()
        assert quick.state == "processing"
        began = time.monotonic()
        until(lambda: processing.process_due())
        quick.refresh_from_db()
        assert (quick.state, quick.attempts) == ("processed", 1)
        assert time.monotonic() - began < 5
    finally:
        leave.set()
        worker.join(10)
    assert set(WebhookEvent.objects.values_list("state", "attempts")) == {("processed", 1)}


def test_a_worker_that_dies_costs_those_that_had_not_begun_no_attempt() -> None:
    done, running, *waiting = [received() for _ in range(5)]
    attempts = claim.claim(timezone.now(), 5)
    assert [one.row.pk for one in attempts] == [row.pk for row in (done, running, *waiting)]
    assert processing.process(attempts[0]) is attempt.Result.PROCESSED
    die()
    assert list(lost.expire(timezone.now())) == []
    let_pass()
    ((row, failure),) = lost.expire(timezone.now())
    assert (row.pk, failure.exception) == (running.pk, "webhooks.exceptions.WorkerLost")
    for other in waiting:
        other.refresh_from_db()
        assert (other.state, other.attempts, other.token) == ("pending", 0, "")
    assert Failure.objects.count() == 1


def test_an_interrupt_gives_back_what_had_not_begun() -> None:
    @on("a.first")
    def interrupt(event: StripeEvent) -> None:
        raise KeyboardInterrupt

    received("a.first")
    second = received("a.second")
    with pytest.raises(KeyboardInterrupt):
        processing.process_due(until=time.monotonic() + 60)
    second.refresh_from_db()
    assert (second.state, second.attempts) == ("pending", 0)


# --- Isolation levels -------------------------------------------------------------------------------------------------


@pytest.fixture(params=["repeatable read", "serializable"])
def _isolation(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """For every connection to the database, as a site may set it."""
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one level")
    name = connection.settings_dict["NAME"]

    def set_to(level: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER DATABASE \"{name}\" SET default_transaction_isolation = '{level}'")
        connection.close()

    set_to(request.param)
    with connection.cursor() as cursor:
        cursor.execute("SHOW default_transaction_isolation")
        assert cursor.fetchone() == (request.param,)
    yield
    set_to("read committed")


@pytest.mark.usefixtures("_isolation")
def test_no_event_fails_at_a_higher_isolation_level() -> None:
    on("*")(lambda event: Group.objects.create(name=event.id))
    events = {received().event_id for _ in range(12)}

    def work() -> None:
        while processing.process_due(until=time.monotonic() + 0.1):
            pass

    in_threads(4, work)
    work()  # what came back from a claim that was refused
    assert list(Failure.objects.values_list("exception", "message")) == []
    assert set(WebhookEvent.objects.values_list("state", "attempts")) == {("processed", 1)}
    assert set(Group.objects.values_list("name", flat=True)) == events
