"""A failure is announced until it is certain that its receivers were told, and never more than five times."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
import time_machine
from django.db import OperationalError
from django.utils import timezone

from alerts_runtime.isolation import last_resort
from tests.holding import let_pass
from tests.webhooks.conftest import Connect, die
from tests.webhooks.stripe_side import received
from webhooks import loops, signals
from webhooks.events import StripeEvent
from webhooks.exceptions import RecordedError, WorkerLost
from webhooks.handlers import on
from webhooks.models import Failure
from webhooks.process import announcements, claim, failures, processing

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def told(connect: Connect) -> list[dict[str, Any]]:
    calls: list[dict[str, Any]] = []
    connect(signals.webhook_processing_error, lambda **kwargs: calls.append(kwargs))
    return calls


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """What was said at the last resort."""
    words: list[tuple[str, ...]] = []
    monkeypatch.setattr(last_resort, "say", lambda *said: words.append(said))
    return words


class Killed(BaseException):
    """What kill -9 looks like from inside: nothing after it runs."""


def _fail_and_die(monkeypatch: pytest.MonkeyPatch) -> Failure:
    """An attempt fails, and its process dies between the commit and the announcement."""

    @on("*")
    def handle(event: StripeEvent) -> None:
        raise KeyError("amount")

    def die(*_: object) -> None:
        raise Killed

    received("invoice.paid")
    with monkeypatch.context() as patch:
        patch.setattr(announcements, "announce", die)
        with pytest.raises(Killed):
            processing.process_due()
    return Failure.objects.get()


def _age(failure: Failure, **age: float) -> None:
    """As if it had happened, and been tried last, so much earlier."""
    failure.refresh_from_db()
    earlier = timezone.now() - timedelta(**age)
    again_at = None if failure.announce_at is None else failure.announce_at - timedelta(**age)
    Failure.objects.filter(pk=failure.pk).update(occurred_at=earlier, announce_at=again_at)


def test_tick_announces_what_a_dead_worker_could_not(
    monkeypatch: pytest.MonkeyPatch, told: list[dict[str, Any]]
) -> None:
    failure = _fail_and_die(monkeypatch)
    assert told == []
    loops.tick()
    assert told == []  # its process may still be at it
    _age(failure, seconds=6)
    loops.tick()
    loops.tick()
    (call,) = told
    error = call["exception"]
    assert isinstance(error, RecordedError)
    assert (error.exception_path, error.bases) == ("KeyError", ("LookupError", "Exception"))
    assert str(error) == error.recorded_message == "'amount'"
    assert call["event"].type == "invoice.paid"
    assert call["data"]["object"] == "event"
    assert (call["attempt"], call["will_retry"], call["failure"]) == (1, True, failure)
    assert call["next_attempt_at"] == failure.next_attempt_at
    failure.refresh_from_db()
    assert failure.announced_at
    assert failure.announcements == 2


def test_an_announcement_that_kills_its_process_ends_after_five(
    monkeypatch: pytest.MonkeyPatch, said: list[tuple[str, ...]]
) -> None:
    failure = _fail_and_die(monkeypatch)
    deaths: list[int] = []

    def die(*_: Any, **__: Any) -> None:
        deaths.append(1)
        raise Killed

    monkeypatch.setattr(signals, "send_to", die)
    for _ in range(10):
        _age(failure, days=1)
        try:
            loops.tick()
        except Killed:
            continue
    failure.refresh_from_db()
    assert failures.MAX_ANNOUNCEMENTS == 5
    assert len(deaths) == 4  # the first announcement died before it called anybody
    assert failure.announced_at is None
    [(_, headline, text)] = said
    assert headline == "A failure of invoice.paid could not be announced: KeyError"
    assert "unknown, since its process died each time" in text


def test_announcements_are_spaced_out_however_late_the_first_one_is(connect: Connect) -> None:
    """Also after an hour in which nothing ran, each pause is four times longer than the one before."""
    calls: list[datetime] = []

    def broken(**_: Any) -> None:
        calls.append(timezone.now())
        raise RuntimeError

    connect(signals.webhook_processing_error, broken)
    on("*")(lambda event: 1 / 0)
    with time_machine.travel(timezone.now(), tick=False) as clock:
        received()
        processing.process_due()
        clock.shift(3600)
        for _ in range(500):
            loops.tick()
            clock.shift(1)
    pauses = [(after - before).total_seconds() for before, after in pairwise(calls)]
    assert pauses == [3600, 20, 80, 320]


@pytest.mark.parametrize("error", [RuntimeError("broken"), ValueError("value too long for type"), OperationalError()])
def test_only_the_receiver_that_raised_is_called_again_and_in_the_end_people_hear_of_it(
    error: Exception, connect: Connect, said: list[tuple[str, ...]], told: list[dict[str, Any]]
) -> None:
    calls: list[int] = []

    def broken(**_: Any) -> None:
        calls.append(1)
        raise error

    connect(signals.webhook_processing_error, broken)
    on("*")(lambda event: 1 / 0)
    row = received("invoice.paid")
    processing.process_due()
    failure = Failure.objects.get()
    assert failure.announced_at is None
    for _ in range(10):
        _age(failure, days=1)
        loops.tick()
    assert (len(calls), len(told)) == (5, 1)
    [(_, headline, text)] = said
    assert headline == "A failure of invoice.paid could not be announced: ZeroDivisionError"
    assert row.event_id in text
    assert "broken" in text


@pytest.mark.parametrize("error", [SystemExit(1), GeneratorExit(), asyncio.CancelledError()])
def test_a_receiver_that_raises_what_is_no_exception_keeps_no_other_from_hearing(
    error: BaseException, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    def leaves(**_: Any) -> None:
        raise error

    heard: list[dict[str, Any]] = []
    connect(signals.webhook_processing_error, leaves)
    connect(signals.webhook_processing_error, lambda **kwargs: heard.append(kwargs))
    on("*")(lambda event: 1 / 0)
    received()
    processing.process_due()
    assert len(heard) == 1
    assert "leaves" in Failure.objects.get().unheard


def test_a_receiver_that_recovers_ends_it(
    connect: Connect, said: list[tuple[str, ...]], told: list[dict[str, Any]]
) -> None:
    calls: list[int] = []

    def shaky(**_: Any) -> None:
        calls.append(1)
        if len(calls) < 3:
            raise RuntimeError

    connect(signals.webhook_processing_error, shaky)
    on("*")(lambda event: 1 / 0)
    received()
    processing.process_due()
    for _ in range(10):
        _age(Failure.objects.get(), days=1)
        loops.tick()
    assert (len(calls), len(told), said) == (3, 1, [])
    assert Failure.objects.get().announced_at


def test_a_receiver_that_cannot_reach_the_database_is_told_again(connect: Connect) -> None:
    calls: list[datetime] = []

    def receive(failure: Failure, **_: Any) -> None:
        calls.append(timezone.now())
        if len(calls) == 1:
            raise OperationalError("database is locked")

    connect(signals.webhook_processing_error, receive)

    @on("*")
    def handle(event: StripeEvent) -> None:
        raise ValueError

    received()
    processing.process_due()
    failure = Failure.objects.get()
    assert failure.announced_at is None
    _age(failure, seconds=6)
    loops.tick()
    assert len(calls) == 2
    failure.refresh_from_db()
    assert failure.announced_at


def test_while_receivers_are_called_tick_does_not_call_them_too(monkeypatch: pytest.MonkeyPatch) -> None:
    failure = _fail_and_die(monkeypatch)
    _age(failure, seconds=6)
    with failures.announcing(failure):
        assert failures.unannounced(timezone.now()) == []
    assert failures.unannounced(timezone.now()) == [failure]


def test_of_two_ticks_one_announces(monkeypatch: pytest.MonkeyPatch, told: list[dict[str, Any]]) -> None:
    failure = _fail_and_die(monkeypatch)
    _age(failure, seconds=6)
    (first,), (second,) = failures.unannounced(timezone.now()), failures.unannounced(timezone.now())
    announcements.again(first)
    announcements.again(second)
    assert len(told) == 1


def test_a_lost_worker_is_announced_by_the_tick_that_finds_it(told: list[dict[str, Any]]) -> None:
    received()
    assert claim.claim(timezone.now())
    die()
    loops.tick()
    let_pass()
    loops.tick()
    (call,) = told
    assert isinstance(call["exception"], WorkerLost)
    assert call["instance"].state == "pending"
    assert Failure.objects.get().announced_at


def test_an_announcement_that_cannot_be_written_down_is_no_error(
    monkeypatch: pytest.MonkeyPatch, told: list[dict[str, Any]]
) -> None:
    def away(*_: object) -> None:
        raise OperationalError("the database is away")

    monkeypatch.setattr(failures, "announced", away)
    on("*")(lambda event: 1 / 0)
    received()
    assert processing.process_due()
    assert len(told) == 1
    assert Failure.objects.get().announced_at is None
