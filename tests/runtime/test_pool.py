"""Loops that share threads: each has its turn, none delays another, and who has nothing to do costs nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection

from alerts_runtime import background
from alerts_runtime.background import Loop, Pool
from alerts_runtime.models import WorkerHeartbeat
from alerts_runtime.wakeups import wake
from alerts_runtime.worker import runner, turns
from alerts_runtime.worker.turns import Turns, together
from tests.logged import capture_logs
from tests.runtime.test_worker import Running, Steps
from tests.runtime.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)


class Questions:
    """Who has something due; and how often that was asked."""

    def __init__(self, answer: Callable[[], Collection[str]] = lambda: ()) -> None:
        self.count = 0
        self._answer = answer

    def __call__(self) -> Collection[str]:
        self.count += 1
        return self._answer()


@pytest.fixture
def _asked_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has something due is asked ten times a second."""
    monkeypatch.setattr(turns, "LONGEST_WAIT", 0.1)
    monkeypatch.setattr(runner, "LONGEST_WAIT", 0.1)


def pool(threads: int = 2, ready: Callable[[], Collection[str]] = lambda: ()) -> Pool:
    return Pool("couriers", threads, ready)


def loop(name: str, step: Callable[[], float], of: Pool, **more: Any) -> Loop:
    return Loop(name, step, pool=of, **more)


@contextmanager
def hanging() -> Iterator[Steps]:
    release = threading.Event()
    step = Steps(do=lambda _count: release.wait())
    yield step
    release.set()


# --- Who has a turn -------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("_asked_often")
def test_many_loops_run_in_few_threads() -> None:
    names = [f"courier {number}" for number in range(60)]
    steps = {name: Steps() for name in names}
    of = pool(3, ready=lambda: names)
    with Running(*(loop(name, step, of) for name, step in steps.items())) as running:
        assert [one.threads for one in running.worker.loops] == [3]
        until(lambda: all(step.count >= 2 for step in steps.values()))
    used = set[str]().union(*(step.threads for step in steps.values()))
    assert used <= {"couriers-1", "couriers-2", "couriers-3"}


@pytest.mark.usefixtures("_asked_often")
def test_who_is_not_named_has_no_step() -> None:
    quiet, named = Steps(), Steps()
    of = pool(ready=lambda: ["named", "of another version"])
    with Running(loop("quiet", quiet, of), loop("named", named, of)):
        until(lambda: named.count >= 4)
    assert quiet.count <= 1  # all are woken once, when the worker begins to listen


def test_a_wake_up_is_a_turn_long_before_the_next_question() -> None:
    step, asked = Steps(), Questions()
    of = pool(ready=asked)
    with Running(loop("woken", step, of, topic="payments"), loop("other", Steps(), of)):
        until(lambda: asked.count)
        looked = []
        for _ in range(5):
            before, began = step.count, time.monotonic()
            wake.wake("payments")
            until(lambda before=before: step.count > before)  # type: ignore[misc] # mypy cannot infer a default
            looked.append(time.monotonic() - began)
    assert min(looked) < 0.5


@pytest.mark.usefixtures("_asked_often")
def test_who_is_busy_is_asked_again_without_being_named() -> None:
    step = Steps(wait=0.01)
    slow = Steps(wait=60)
    asked = Questions(lambda: ["slow"] if not slow.count else [])
    of = pool(ready=asked)
    with Running(loop("quick", step, of), loop("slow", slow, of, busy=lambda: slow.count < 3)):
        wake.wake("quick")
        until(lambda: step.count >= 5)
        until(lambda: slow.count >= 3)
        before = asked.count
        until(lambda: asked.count >= before + 2)
    assert slow.count == 3


def test_no_loop_is_in_two_threads_at_once_and_a_wake_up_meanwhile_is_not_lost() -> None:
    entered, leave = threading.Event(), threading.Event()
    inside = most = 0
    lock = threading.Lock()

    def work(_count: int) -> None:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        entered.set()
        leave.wait(10)
        with lock:
            inside -= 1

    step, others = Steps(do=work), {str(number): Steps() for number in range(3)}
    of = pool(4)
    with Running(loop("one", step, of), *(loop(name, other, of) for name, other in others.items())):
        wake.wake("one")
        assert entered.wait(10)
        for name in ("one", *others):
            wake.wake(name)
        until(lambda: all(other.count for other in others.values()))  # the other threads had time for it
        before = step.count
        leave.set()
        until(lambda: step.count > before)
    assert most == before == 1


@pytest.mark.usefixtures("_asked_often")
def test_one_that_always_has_more_leaves_the_others_their_turns() -> None:
    greedy, modest = Steps(wait=0), Steps()
    of = pool(1, ready=lambda: ["modest"])
    with Running(loop("greedy", greedy, of), loop("modest", modest, of)):
        wake.wake("greedy")
        until(lambda: modest.count >= 2)
        assert greedy.count > 100


def test_one_that_hangs_takes_one_thread() -> None:
    others = [Steps() for _ in range(5)]
    of = pool(2, ready=lambda: ["hung", *map(str, range(5))])
    with (
        hanging() as hung,
        Running(
            loop("hung", hung, of),
            *(loop(str(number), step, of) for number, step in enumerate(others)),
            stop_timeout=0.5,
        ) as running,
    ):
        until(lambda: hung.count and all(step.count >= 2 for step in others))

        def told_apart() -> bool:
            row = WorkerHeartbeat.objects.filter(id=running.worker.id).first()
            return row is not None and row.loops["hung"] > 1.5 > row.loops["0"]

        until(told_apart)
        assert hung.count == 1


# --- Trouble --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [ValueError("broken"), SystemExit(3)], ids=["an error", "sys.exit()"])
def test_the_trouble_of_one_is_its_own(error: BaseException) -> None:
    def fail(_count: int) -> None:
        raise error

    broken, fine = Steps(do=fail), Steps(wait=0.01)
    of = pool(1)
    with capture_logs() as logs, Running(loop("broken", broken, of), loop("fine", fine, of)):
        wake.wake("broken")
        wake.wake("fine")
        until(lambda: broken.count >= 3)
        before, began = broken.count, time.monotonic()
        while time.monotonic() - began < 0.3:
            wake.wake("broken")  # which must not hurry it
        assert broken.count <= before + 1
        assert fine.count > 10
    failed = [line for line in logs if line["event"] == "loop.failed"]
    assert {line["loop"] for line in failed} == {"broken"}
    assert [line["retry_in"] for line in failed[:3]] == [0.1, 0.2, 0.4]


def test_a_database_that_is_away_is_nobodys_own_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    away = True
    monkeypatch.setattr(turns, "database_answers", lambda: not away)

    def ask(_count: int) -> None:
        if away:
            raise OSError("the server closed the connection")

    steps = [Steps(do=ask) for _ in range(20)]
    of = pool(1, ready=lambda: list(map(str, range(20))))
    with capture_logs() as logs, Running(*(loop(str(number), step, of) for number, step in enumerate(steps))):
        until(lambda: sum(step.count for step in steps) >= 3)
        away = False
        until(lambda: all(step.count >= 1 for step in steps))
    failed = [line["loop"] for line in logs if line["event"] == "loop.failed"]
    assert set(failed) == {"couriers"}
    assert len(failed) < 20


@pytest.mark.usefixtures("_asked_often")
def test_a_question_that_fails_is_asked_again() -> None:
    asked = Questions(lambda: ["one"] if asked.count >= 3 else [str(1 / 0)])
    step = Steps()
    with capture_logs(), Running(loop("one", step, pool(1, ready=asked))):
        until(lambda: asked.count >= 3 and step.count)


# --- Stopping -------------------------------------------------------------------------------------------------------


def test_all_hand_back_within_one_time_and_a_hung_one_uses_up_nobodys() -> None:
    closed: list[str] = []
    of = pool(1)

    def closing(name: str) -> Callable[[float], None]:
        def close(within: float) -> None:
            assert within == 0
            closed.append(name)

        return close

    def broken(_within: float) -> None:
        raise ValueError("broken")

    shared = Turns(
        of,
        [
            loop("hung", Steps(), of, close=closing("hung"), busy=lambda: True),
            loop("broken", Steps(), of, close=broken),
            loop("third", Steps(), of, close=closing("third"), busy=lambda: closed.count("third") < 3),
            loop("none", Steps(), of),
        ],
    )
    with capture_logs() as logs:
        began = time.monotonic()
        shared.close(0.5)
    assert 0.5 <= time.monotonic() - began < 2
    assert closed.count("third") == 3
    assert closed.count("hung") > 3
    assert [line["loop"] for line in logs] == ["broken"]


def test_a_worker_counts_its_connections() -> None:
    of = pool(4)
    with Running(Loop("events", Steps(), threads=4), *(loop(str(number), Steps(), of) for number in range(60))) as it:
        assert it.worker.connections == 4 + 4 + 1 + (connection.vendor == "postgresql")


def test_what_waits_for_a_pool_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[datetime] = []

    def oldest(now: datetime) -> dict[str, datetime]:
        asked.append(now)
        return {"b": now}

    of = Pool("couriers", 2, lambda: (), oldest)
    now = datetime(2026, 11, 27, tzinfo=UTC)

    def loops() -> Iterator[Loop]:
        yield Loop("alone", Steps(), oldest_due=lambda now: now)
        yield Loop("idle", Steps(), oldest_due=lambda _now: None)
        for name in "abc":
            yield loop(name, Steps(), of, oldest_due=lambda now: now)

    monkeypatch.setattr(background, "_factories", [loops])
    assert list(background.waiting(now)) == [(now, "alone"), (now, "b")]
    assert asked == [now]


def test_loops_without_a_pool_stay_as_they_are() -> None:
    alone = Loop("alone", Steps())
    loops, shared = together([alone])
    assert (loops, shared) == ([alone], [])
