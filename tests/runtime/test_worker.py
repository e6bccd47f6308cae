"""Loops run, survive, wake and stop; threads and database are real."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from alerts_runtime import background
from alerts_runtime.background import Loop
from alerts_runtime.isolation import threads
from alerts_runtime.models import WorkerHeartbeat
from alerts_runtime.wakeups import wake
from alerts_runtime.worker.runner import Worker
from tests.logged import capture_logs
from tests.runtime.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)


class Steps:
    """A step that counts its calls and does what it is told."""

    def __init__(self, wait: float = 60.0, do: Callable[[int], object] = lambda _count: None) -> None:
        self.wait = wait
        self.do = do
        self.count = 0
        self.threads: set[str] = set()
        self._lock = threading.Lock()

    def __call__(self) -> float:
        with self._lock:
            self.count += 1
            count = self.count
            self.threads.add(threading.current_thread().name)
        self.do(count)
        return self.wait


class Running:
    """A worker in a thread, so that the test can look on."""

    def __init__(self, *loops: Loop, stop_timeout: float = 10) -> None:
        self.worker = Worker(loops, stop_timeout=stop_timeout)
        self.code: int | None = None
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        self.code = self.worker.run()

    def __enter__(self) -> Running:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stop()

    def stop(self) -> int | None:
        self.worker.stop()
        self._thread.join(20)
        assert not self._thread.is_alive()
        until(lambda: not any(thread.name == "heartbeat" for thread in threading.enumerate()))
        return self.code


@contextmanager
def hanging() -> Iterator[Steps]:
    """A step that hangs until the test is over."""
    release = threading.Event()
    before = set(threading.enumerate())
    try:
        yield Steps(do=lambda _count: release.wait())
    finally:
        release.set()
        until(lambda: not [t for t in threading.enumerate() if t not in before and t.name.startswith("hung")])


# --- Running ----------------------------------------------------------------------------------------------------------


def test_a_step_that_says_there_is_more_is_called_again_at_once() -> None:
    step = Steps(wait=0)
    with Running(Loop("events", step)):
        until(lambda: step.count > 50)


def test_an_idle_loop_looks_again_after_a_second_whatever_it_asked_for() -> None:
    step = Steps(wait=60)
    began = time.monotonic()
    with Running(Loop("quiet", step, topic=None)):
        until(lambda: step.count >= 2)
    assert time.monotonic() - began >= 0.9


def test_a_loop_that_asks_for_less_than_a_second_gets_it() -> None:
    step = Steps(wait=0.05)
    began = time.monotonic()
    with Running(Loop("quick", step, topic=None)):
        until(lambda: step.count >= 5)
    assert time.monotonic() - began < 4.0


@pytest.mark.parametrize(("topic", "woken_by"), [("", "events"), ("payments", "payments")], ids=["name", "topic"])
def test_a_wake_up_makes_an_idle_loop_look_long_before_it_would(topic: str, woken_by: str) -> None:
    step = Steps()
    looked: list[float] = []
    with Running(Loop("events", step, topic=topic)):
        until(lambda: step.count)
        for _ in range(5):
            before, began = step.count, time.monotonic()
            wake.wake(woken_by)
            until(lambda before=before: step.count > before)  # type: ignore[misc] # mypy cannot infer a default
            looked.append(time.monotonic() - began)
    assert min(looked) < 0.5


def test_each_loop_has_its_own_threads_and_one_that_hangs_delays_no_other() -> None:
    together = threading.Barrier(3, timeout=10)
    parallel = Steps(wait=0.01, do=lambda _count: together.wait())
    quick = Steps(wait=0)
    with (
        hanging() as hung,
        Running(Loop("hung", hung), Loop("parallel", parallel, threads=3), Loop("quick", quick)) as it,
    ):
        until(lambda: hung.count)
        until(lambda: quick.count > 50)
        until(lambda: parallel.threads == {"parallel-1", "parallel-2", "parallel-3"})
        together.abort()
        it.worker.stop_timeout = 0.6
        with capture_logs() as logs:
            assert it.stop() == 0

    (stuck,) = [line for line in logs if line["event"] == "thread.stuck"]
    assert stuck["thread"] == "hung"
    assert "threading.py" in stuck["where"]


# --- Surviving --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [ValueError("broken"), SystemExit(3)], ids=["an error", "sys.exit()"])
def test_a_step_that_raises_is_logged_and_tried_again(error: BaseException) -> None:
    def fail_twice(count: int) -> None:
        if count <= 2:
            raise error

    step = Steps(do=fail_twice)
    with capture_logs() as logs, Running(Loop("events", step)):
        until(lambda: step.count >= 3)

    failed = [line for line in logs if line["event"] == "loop.failed"]
    assert [(line["loop"], line["retry_in"]) for line in failed] == [("events", 0.1), ("events", 0.2)]
    assert all(line["exc_info"] for line in failed)


def test_wake_ups_do_not_hurry_a_loop_that_fails() -> None:
    def fail(_count: int) -> None:
        raise ValueError("broken")

    step = Steps(do=fail)
    with Running(Loop("events", step)):
        until(lambda: step.count >= 3)
        began, before = time.monotonic(), step.count
        while time.monotonic() - began < 0.3:
            wake.wake("events")
        assert step.count <= before + 1


def test_a_lost_database_connection_is_opened_anew() -> None:
    seen: list[int] = []

    def ask_then_lose(count: int) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            seen.append(count)
        if count == 1:
            connection.connection.close()  # below Django, as a server that goes away does
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")

    step = Steps(wait=0.01, do=ask_then_lose)
    with capture_logs() as logs, Running(Loop("events", step)):
        until(lambda: len(seen) >= 3)
    assert len([line for line in logs if line["event"] == "loop.failed"]) == 1


# --- Heartbeat --------------------------------------------------------------------------------------------------------


def test_a_worker_beats_while_it_runs_and_takes_leave_when_it_stops() -> None:
    with hanging() as hung, Running(Loop("quick", Steps(wait=0.01)), Loop("hung", hung), stop_timeout=0.6) as running:
        until(lambda: WorkerHeartbeat.objects.filter(id=running.worker.id).exists())
        row = WorkerHeartbeat.objects.get()
        assert (row.pid, set(row.loops)) == (os.getpid(), {"heartbeat", "quick", "hung"})

        def hung_and_quick_told_apart() -> bool:
            row.refresh_from_db()
            return bool(row.loops["hung"] > 1.0 > row.loops["quick"])

        until(hung_and_quick_told_apart)
        assert running.stop() == 0
        assert not WorkerHeartbeat.objects.exists()


# --- Stopping ---------------------------------------------------------------------------------------------------------


def test_a_running_step_may_finish_and_no_other_begins() -> None:
    begun, go_on = threading.Event(), threading.Event()
    finished: list[int] = []

    def work(count: int) -> None:
        begun.set()
        go_on.wait()
        finished.append(count)

    running = Running(Loop("events", Steps(wait=0, do=work)))
    with running:
        begun.wait(10)
        running.worker.stop()
        until(running.worker._stopping.is_set)
        go_on.set()
        until(lambda: running.code is not None)
    assert running.code == 0
    assert finished == [1]


def test_each_loop_hands_back_what_is_in_flight_and_one_that_cannot_keeps_no_other_from_it() -> None:
    handed_back: list[float] = []

    def fail(_within: float) -> None:
        raise ValueError("broken")

    loops = [Loop("a", Steps(), close=fail), Loop("b", Steps(), close=handed_back.append)]
    with capture_logs() as logs, Running(*loops, stop_timeout=5) as running:
        assert running.stop() == 0

    (within,) = handed_back
    assert 1.0 <= within <= 5.0
    assert [line["loop"] for line in logs if line["log_level"] == "error"] == ["a"]


def test_nobody_waits_for_a_thread_that_is_found_to_hang_meanwhile() -> None:
    with hanging() as hung, Running(Loop("hung", hung), stop_timeout=60) as running:
        until(lambda: hung.count)
        running.worker.stop()
        until(running.worker._stopping.is_set)
        began = time.monotonic()
        [thread] = [thread for thread in threading.enumerate() if thread.name == "hung"]
        threads.write_off(thread)
        until(lambda: running.code is not None)
        assert running.code == 0
        assert time.monotonic() - began < 10


def test_a_second_signal_ends_it_at_once() -> None:
    with hanging() as hung, Running(Loop("hung", hung), stop_timeout=60) as running:
        until(lambda: hung.count)
        running.worker.stop()
        began = time.monotonic()
        assert running.stop() == 1
        assert time.monotonic() - began < 10


def test_two_loops_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="Two loops have the same name: a, a"):
        Worker([Loop("a", Steps()), Loop("a", Steps())])


def test_loops_come_from_registered_factories_each_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def factory() -> Iterable[Loop]:
        yield Loop("a", Steps())

    monkeypatch.setattr(background, "_factories", [])
    background.register(factory)
    background.register(factory)

    assert [loop.name for loop in background.registered()] == ["a"]


# --- manage.py worker -------------------------------------------------------------------------------------------------


def manage(path: Path, *arguments: str) -> tuple[list[str], dict[str, Any]]:
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "core.settings",
        "DJANGO_ENV_FILE": os.devnull,
        "DATABASE_URL": f"sqlite:///{path}",
        "DEBUG": "1",  # channels without credentials print, and are no error
        "LOG_JSON": "1",
    }
    return [sys.executable, "manage.py", *arguments], {
        "cwd": Path(__file__).parents[2],
        "env": environment,
        "stderr": subprocess.PIPE,
        "text": True,
    }


def beats(path: Path) -> int:
    with closing(sqlite3.connect(path, timeout=20)) as session:
        return int(session.execute("SELECT count(*) FROM swa_runtime_workerheartbeat").fetchone()[0])


def test_the_command_works_until_sigterm_and_leaves_in_good_order(tmp_path: Path) -> None:
    path = tmp_path / "db.sqlite3"
    command, options = manage(path, "migrate", "--verbosity=0")
    assert subprocess.run(command, **options, check=False).returncode == 0

    command, options = manage(path, "worker")
    with subprocess.Popen(command, **options) as process:
        try:
            until(lambda: process.poll() is not None or beats(path) == 1, seconds=30)
            process.send_signal(signal.SIGTERM)
            _, log = process.communicate(timeout=10)
        finally:
            process.kill()

    assert process.returncode == 0, log
    assert beats(path) == 0
    assert '"event": "worker.started"' in log
    assert '"connections": ' in log
    assert '"database": "sqlite"' in log


COMMANDS = (
    ["worker"],
    ["replay"],
    ["prune"],
    ["ack", "1"],
    ["silence", "--list"],
    ["digest", "daily"],
    ["route", "--event", "invoice.paid", "--exception", "KeyError"],
)


def test_every_command_says_what_mends_a_database_that_is_not_migrated(tmp_path: Path) -> None:
    program = (
        "import django, sys; django.setup()\n"
        "from django.core.management import CommandError, call_command\n"
        f"for command in {COMMANDS!r}:\n"
        "    try: call_command(*command)\n"
        "    except CommandError as error: print(command[0], error, file=sys.stderr)\n"
    )
    _, options = manage(tmp_path / "empty.sqlite3")
    process = subprocess.run([sys.executable, "-c", program], **options, check=False, timeout=60)

    assert process.returncode == 0, process.stderr
    said = [line for line in process.stderr.splitlines() if "migrations have not been applied, the first is" in line]
    assert [line.split()[0] for line in said] == [command[0] for command in COMMANDS]
    assert all(line.endswith("Run `manage.py migrate`, then try again.") for line in said)


# --- manage.py serve --------------------------------------------------------------------------------------------------


def test_serve_on_a_port_that_is_taken_says_so_and_starts_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CommandError, match=rf"127.0.0.1:{port} cannot be used: another process listens there"):
            call_command("serve", "--port", str(port))
