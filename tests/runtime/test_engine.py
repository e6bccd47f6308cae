"""An engine is told by hints, which may all be lost: the worker sees to what it leaves lying."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import transaction

from alerts_runtime.background import Loop
from alerts_runtime.engine import executor, hints
from alerts_runtime.engine.executor import LoopExecutor
from alerts_runtime.engine.fallback import PATIENCE, Fallback, with_fallback
from alerts_runtime.wakeups import wake
from tests.logged import capture_logs
from tests.runtime.recorder import Recorder
from tests.runtime.waiting import until

NOW = datetime(2026, 11, 2, 2, 0, tzinfo=UTC)


@pytest.fixture
def recorder(settings: Any, monkeypatch: pytest.MonkeyPatch) -> type[Recorder]:
    """An engine is in use, and this is what reaches it; late hints of an earlier test may be among them."""
    settings.TASKS = {"default": {"BACKEND": "tests.runtime.recorder.Recorder", "QUEUES": []}}
    settings.ALERTS_ENGINE = "default"
    monkeypatch.setattr(hints, "_hints", hints.Hints())
    for name, value in {"hints": [], "away": False, "taken": True}.items():
        monkeypatch.setattr(Recorder, name, value)
    return Recorder


@pytest.mark.parametrize(
    ("backend", "expected"),
    [
        ("", False),
        ("django.tasks.backends.immediate.ImmediateBackend", False),
        ("django.tasks.backends.dummy.DummyBackend", False),
        ("django_tasks_fennel.CeleryBackend", True),
        ("huey.contrib.djhuey.tasks_backend.HueyBackend", True),
        ("celry", True),  # a mistake: the hint fails and is logged, the webhook is stored
    ],
)
def test_the_engine_that_is_chosen_works(settings: Any, backend: str, expected: bool) -> None:
    settings.TASKS = {"alerts": {"BACKEND": backend}} if backend else {}
    settings.ALERTS_ENGINE = "alerts"
    assert hints.in_use() is expected


@pytest.mark.parametrize("alias", [None, "", "alerts"])
def test_a_sites_own_tasks_do_not_become_the_engine(settings: Any, alias: str | None) -> None:
    settings.TASKS = {"default": {"BACKEND": "django_tasks_fennel.CeleryBackend"}}
    settings.ALERTS_ENGINE = alias
    assert hints.in_use() is False


@pytest.mark.django_db(transaction=True)
def test_a_wake_up_is_a_hint_after_the_commit(recorder: type[Recorder]) -> None:
    with transaction.atomic():
        wake.wake("committed")
        assert "committed" not in recorder.hints
    until(lambda: "committed" in recorder.hints)


@pytest.mark.django_db(transaction=True)
def test_a_rollback_hints_nothing(recorder: type[Recorder]) -> None:
    with transaction.atomic():
        wake.wake("rolled back")
        transaction.set_rollback(True)
    hints.request_run("after the rollback")
    until(lambda: "after the rollback" in recorder.hints)
    assert "rolled back" not in recorder.hints


def test_hints_that_are_waiting_stand_for_later_ones(recorder: type[Recorder]) -> None:
    recorder.taken = False
    for number in range(200):
        hints.request_run("waiting")
        hints.request_run(f"marker-{number}")
        until(lambda number=number: f"marker-{number}" in recorder.hints)  # type: ignore[misc]  # its default
    assert recorder.hints.count("waiting") == 1


def test_a_broker_that_is_away_is_logged_once_and_found_again(
    recorder: type[Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hints, "PAUSES", (0.01,))
    recorder.away = True
    with capture_logs() as logs:
        hints.request_run("events")
        until(lambda: any(entry["event"] == "engine.not_reached" for entry in logs))
        hints.request_run("events")
        recorder.away = False
        until(lambda: hints.request_run("events") or recorder.hints)  # type: ignore[func-returns-value]  # None, then the list
        until(lambda: any(entry["event"] == "engine.reached" for entry in logs))
    assert [entry["log_level"] for entry in logs] == ["error", "info"]


# --- The executor -----------------------------------------------------------------------------------------------------


class Work:
    """A loop's body with so many things to do."""

    def __init__(self, todo: int) -> None:
        self.todo = todo
        self.steps = 0
        self.calls = 0

    def step(self) -> float:
        self.steps += 1
        if not self.todo:
            return 1.0
        self.todo -= 1
        return 0.0


@pytest.mark.django_db
def test_a_round_does_all_that_is_due_and_ends() -> None:
    work = Work(5)
    LoopExecutor(Loop("work", work.step)).run()
    assert work.todo == 0


@pytest.mark.django_db
def test_a_round_that_never_ends_gives_way_and_hints(recorder: type[Recorder], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executor, "SLICE", 0.05)
    from alerts_runtime.engine import tasks  # here: it asks for the engine, which the fixture names

    monkeypatch.setattr(executor, "_executors", {"endless": LoopExecutor(Loop("endless", lambda: 0.0))})
    tasks.look.func("endless")
    until(lambda: "endless" in recorder.hints)


@pytest.mark.django_db
def test_a_round_stays_until_what_is_under_way_has_ended() -> None:
    class Calls(Work):
        def step(self) -> float:
            self.calls = 1 if self.steps < 3 else 0
            return super().step()

    work = Calls(1)
    LoopExecutor(Loop("work", work.step, busy=lambda: bool(work.calls))).run()
    assert work.calls == 0


@pytest.mark.django_db(transaction=True)
def test_no_more_rounds_at_once_than_the_loop_has_threads() -> None:
    gate, entered = threading.Event(), threading.Semaphore(0)

    def step() -> float:
        entered.release()
        gate.wait(10)
        return 1.0

    found = LoopExecutor(Loop("work", step, threads=2))
    threads = [threading.Thread(target=found.run) for _ in range(2)]
    for thread in threads:
        thread.start()
    assert entered.acquire(timeout=10)
    assert entered.acquire(timeout=10)
    found.run()  # returns at once: it has nothing to wait for
    assert not entered.acquire(blocking=False)
    gate.set()
    for thread in threads:
        thread.join(10)


def test_a_loop_of_a_newer_version_is_ignored() -> None:
    with capture_logs() as logs:
        executor.run("deliver-pigeon")
    assert [entry["loop"] for entry in logs] == ["deliver-pigeon"]


# --- The worker beside an engine --------------------------------------------------------------------------------------


@pytest.fixture
def clock() -> Iterator[Any]:
    with time_machine.travel(NOW, tick=False) as traveller:
        yield traveller


def test_what_is_due_is_hinted_once_and_done_here_when_the_engine_leaves_it(
    recorder: type[Recorder], clock: Any
) -> None:
    work = Work(1)
    due = NOW
    fallback = Fallback(Loop("left lying", work.step, oldest_due=lambda _now: due))
    assert fallback.step() > 0
    fallback.step()
    until(lambda: recorder.hints.count("left lying") == 1)
    assert work.steps == 0, "the engine has its time first"
    clock.move_to(NOW + PATIENCE + timedelta(seconds=1))
    with capture_logs() as logs:
        assert fallback.step() == 0.0
        fallback.step()
    assert work.todo == 0
    assert [entry["event"] for entry in logs] == ["engine.behind"]


def test_nothing_due_hints_nothing(recorder: type[Recorder]) -> None:
    work = Work(0)
    Fallback(Loop("idle", work.step, oldest_due=lambda _now: None)).step()
    hints.request_run("after the idle one")
    until(lambda: "after the idle one" in recorder.hints)
    assert "idle" not in recorder.hints
    assert work.steps == 0


def test_what_the_worker_began_it_ends(recorder: type[Recorder]) -> None:
    work = Work(0)
    Fallback(Loop("work", work.step, oldest_due=lambda _now: None, busy=lambda: True)).step()
    assert work.steps == 1


def test_loops_that_go_by_the_clock_stay_in_the_worker() -> None:
    tick, events = Loop("tick", lambda: 1.0), Loop("events", lambda: 1.0, threads=4, oldest_due=lambda _now: None)
    found = list(with_fallback([tick, events]))
    assert found[0] is tick
    assert found[1].step != events.step
    assert found[1].topic is None
