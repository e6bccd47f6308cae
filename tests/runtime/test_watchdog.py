"""The web process notices that nobody works."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import django
import pytest
import time_machine
from django.core import mail

from alerts_runtime import background
from alerts_runtime.monitoring import heartbeat, watchdog
from alerts_runtime.monitoring.watchdog import Finding, Verdict, Watchdog, describe, judge
from tests.logged import capture_logs

NOW = datetime(2026, 11, 22, 14, 2, tzinfo=UTC)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("last_beat", "oldest_due", "verdict"),
    [
        # a worker lives
        (ago(1), None, Verdict.OK),
        (ago(60), ago(60), Verdict.OK),
        (ago(1), ago(61), Verdict.LATE),
        (ago(1), ago(300), Verdict.LATE),
        (ago(1), ago(301), Verdict.STUCK),
        # its clock is ahead
        (ago(-30), ago(301), Verdict.STUCK),
        # none lives, and there is nothing to do
        (None, None, Verdict.IDLE),
        (ago(61), None, Verdict.IDLE),
        (ago(86_400), ago(60), Verdict.IDLE),
        # none lives while something waits
        (None, ago(61), Verdict.DEAD),
        (ago(61), ago(61), Verdict.DEAD),
        (ago(61), ago(86_400), Verdict.DEAD),
    ],
)
def test_verdict(last_beat: datetime | None, oldest_due: datetime | None, verdict: Verdict) -> None:
    assert judge(last_beat, oldest_due, NOW) is verdict


@pytest.mark.parametrize(
    ("waits", "silent", "verdict"),
    [
        (60, 3600, Verdict.OK),
        (61, 120, Verdict.LATE),
        (61, 121, Verdict.STUCK),  # every thread has been at work for so long: none is left
        (61, None, Verdict.LATE),  # a worker of before says nothing of it
        (301, 1, Verdict.STUCK),
    ],
)
def test_verdict_when_no_thread_gets_on(waits: float, silent: float | None, verdict: Verdict) -> None:
    known = None if silent is None else timedelta(seconds=silent)
    assert judge(ago(1), ago(waits), NOW, known) is verdict


@pytest.mark.django_db
def test_of_several_workers_the_one_that_gets_on_counts() -> None:
    def beat(name: str, age: float, **loops: float) -> None:
        heartbeat.beat(name, ago(age), host="web1", pid=7, started_at=NOW, loops=loops)

    within = timedelta(seconds=60)
    assert heartbeat.silent("events", NOW, within) is None
    beat("dead", 3600, events=1.0)
    beat("other", 1, deliver=1.0)
    assert heartbeat.silent("events", NOW, within) is None
    beat("hangs", 5, events=200.0)
    assert heartbeat.silent("events", NOW, within) == timedelta(seconds=205)
    beat("works", 4, events=0.5)
    assert heartbeat.silent("events", NOW, within) == timedelta(seconds=4.5)


@pytest.mark.parametrize(
    ("found", "headline", "action"),
    [
        (
            Finding(Verdict.DEAD, None, ago(3600), "events"),
            "No worker is running; work has been waiting since 22 Nov 13:02 UTC",
            "No worker has reported yet. Waiting for: events. Nothing is lost. Start `manage.py worker`.",
        ),
        (
            Finding(Verdict.DEAD, ago(7200), ago(3600), "events"),
            "No worker is running; work has been waiting since 22 Nov 13:02 UTC",
            "The last sign of a worker was at 22 Nov 12:02 UTC. Waiting for: events. Nothing is lost. "
            "Start `manage.py worker`.",
        ),
        (
            Finding(Verdict.STUCK, ago(0), ago(3600), "events"),
            "The worker is stuck: work has been waiting since 22 Nov 13:02 UTC",
            "The last sign of a worker was at 22 Nov 14:02 UTC. Waiting for: events. Nothing is lost. "
            "Look in the worker's log for a handler that hangs or a loop that fails, "
            "then restart `manage.py worker`.",
        ),
    ],
    ids=["none yet", "died", "stuck"],
)
def test_says_what_waits_since_when_and_what_to_do(found: Finding, headline: str, action: str) -> None:
    assert describe(found) == (headline, action)


# --- Looking ----------------------------------------------------------------------------------------------------------


class Waiting:
    """Registered loops for which work has been waiting so long."""

    def __init__(self) -> None:
        self.events: timedelta | None = None
        self.alerts: timedelta | None = None

    def loops(self) -> Iterator[background.Loop]:
        yield background.Loop("events", lambda: 1.0, oldest_due=lambda now: _before(now, self.events))
        yield background.Loop("alerts", lambda: 1.0, oldest_due=lambda now: _before(now, self.alerts))
        yield background.Loop("tick", lambda: 1.0)


def _before(now: datetime, waits: timedelta | None) -> datetime | None:
    return None if waits is None else now - waits


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Waiting:
    address = "ops@example.com"
    settings.ADMINS = [address if django.VERSION >= (6, 0) else ("Ops", address)]
    monkeypatch.setattr(background, "_factories", [])
    found = Waiting()
    background.register(found.loops)
    return found


def look(watch: Watchdog, clock: float) -> list[Any]:
    """What a look has logged."""
    with capture_logs() as logs:
        thread = watch.look(clock)
        assert thread
        thread.join(10)
        assert not thread.is_alive()
    return logs


@pytest.mark.django_db
def test_a_loop_of_which_no_thread_is_left_is_stuck_long_before_its_work_is_old(waiting: Waiting) -> None:
    waiting.events = timedelta(seconds=90)
    heartbeat.beat("a", NOW, host="web1", pid=7, started_at=NOW, loops={"events": 200.0, "alerts": 0.1})
    found = watchdog.inspect(NOW)
    assert (found.verdict, found.loop) == (Verdict.STUCK, "events")
    waiting.alerts, waiting.events = waiting.events, None
    assert watchdog.inspect(NOW).verdict is Verdict.LATE


@pytest.mark.django_db(transaction=True)
def test_a_dead_worker_is_logged_as_critical_and_mailed(waiting: Waiting) -> None:
    waiting.events = timedelta(minutes=2)
    waiting.alerts = timedelta(hours=2)

    (line,) = look(Watchdog(), 0.0)

    assert (line["log_level"], line["verdict"], line["loop"]) == ("critical", "dead", "alerts")
    (message,) = mail.outbox
    assert message.to == ["ops@example.com"]
    assert "No worker is running; work has been waiting since" in message.subject
    assert "Start `manage.py worker`" in message.body


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("waits", "verdict"),
    [(timedelta(minutes=6), "stuck"), (timedelta(minutes=2), None), (timedelta(seconds=1), None), (None, None)],
    ids=["stuck", "late", "just come", "nothing"],
)
def test_a_worker_that_beats_is_reported_only_when_it_does_not_get_on(
    waiting: Waiting, waits: timedelta | None, verdict: str | None
) -> None:
    waiting.events = waits
    heartbeat.beat("a", datetime.now(UTC), host="web1", pid=7, started_at=NOW, loops={})

    assert [line["verdict"] for line in look(Watchdog(), 0.0)] == ([verdict] if verdict else [])
    assert len(mail.outbox) == (1 if verdict else 0)


@pytest.mark.django_db(transaction=True)
def test_looks_once_a_minute_and_speaks_once_in_a_quarter_of_an_hour(waiting: Waiting) -> None:
    waiting.events = timedelta(hours=2)
    watch = Watchdog()

    with time_machine.travel(NOW, tick=False) as time:
        assert len(look(watch, 1000.0)) == 1
        assert watch.look(1059.0) is None
        time.shift(899)
        assert look(watch, 1899.0) == []
        time.shift(61)
        assert len(look(watch, 1960.0)) == 1
    assert len(mail.outbox) == 2


@pytest.mark.django_db(transaction=True)
def test_of_many_processes_one_speaks(waiting: Waiting) -> None:
    waiting.events = timedelta(hours=2)
    dogs = [Watchdog() for _ in range(4)]

    with capture_logs() as logs, time_machine.travel(NOW, tick=False):
        looks = [dog.look(0.0) for dog in dogs]  # at the same time
        for thread in looks:
            assert thread
            thread.join(30)
            assert not thread.is_alive()

    assert [line["log_level"] for line in logs] == ["critical"]
    assert len(mail.outbox) == 1
    with time_machine.travel(NOW + timedelta(minutes=15), tick=False):
        assert [len(look(dog, 60.0)) for dog in dogs] == [1, 0, 0, 0]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("later", "speaks"),
    [
        (timedelta(minutes=14, seconds=59), False),
        (timedelta(minutes=15), True),
        (timedelta(0), False),
        # the clock of another machine, or of this one when it was set back
        (timedelta(seconds=-2), False),
        (timedelta(minutes=-15), False),
        (timedelta(hours=-1), True),
    ],
)
def test_a_warning_is_due_a_quarter_of_an_hour_after_the_last(later: timedelta, speaks: bool) -> None:
    assert watchdog.may_say(NOW)

    assert watchdog.may_say(NOW + later) is speaks


@pytest.mark.django_db(transaction=True)
def test_a_look_that_says_nothing_does_not_use_up_the_next_warning(waiting: Waiting) -> None:
    watch = Watchdog()
    assert look(watch, 0.0) == []

    waiting.events = timedelta(hours=2)

    assert len(look(watch, 60.0)) == 1


@pytest.mark.django_db(transaction=True)
def test_a_mail_that_fails_is_logged(waiting: Waiting, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object) -> None:
        raise ConnectionRefusedError("no mail server")

    waiting.events = timedelta(hours=2)
    monkeypatch.setattr(watchdog, "mail_admins", refuse)

    assert [line["log_level"] for line in look(Watchdog(), 0.0)] == ["critical", "error"]


@pytest.mark.django_db(transaction=True)
def test_a_look_that_fails_is_logged_and_the_next_one_asks_again(
    waiting: Waiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_now: datetime) -> datetime:
        raise ValueError("broken")

    watch = Watchdog()
    monkeypatch.setattr(background, "_factories", [lambda: [background.Loop("bad", lambda: 1.0, oldest_due=fail)]])
    assert [line["log_level"] for line in look(watch, 0.0)] == ["error"]

    monkeypatch.setattr(background, "_factories", [waiting.loops])
    waiting.events = timedelta(hours=2)
    assert [line["log_level"] for line in look(watch, 60.0)] == ["critical"]
