"""Wake-ups arrive at once, in this process and from others; what goes wrong with them harms nobody."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction

from alerts_runtime.wakeups import fifo, wake
from alerts_runtime.wakeups.wake import Waker
from tests.logged import capture_logs
from tests.runtime.waiting import until

IS_POSTGRESQL = connection.vendor == "postgresql"
on_postgresql = pytest.mark.skipif(not IS_POSTGRESQL, reason="LISTEN/NOTIFY is PostgreSQL's; set TEST_DATABASE_URL")
on_sqlite = pytest.mark.skipif(
    connection.vendor != "sqlite", reason="PostgreSQL has NOTIFY, and needs no pipes; unset TEST_DATABASE_URL"
)
committing = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def may_notify_at_once() -> None:
    wake._sent_at.clear()


@pytest.fixture
def listening() -> Iterator[None]:
    """A thread that listens, as a worker's does."""
    stop = threading.Event()
    thread = threading.Thread(target=wake.listen, args=(stop,))
    started = Waker("started")
    thread.start()
    try:
        assert started.wait(10)  # it wakes everybody as soon as it can hear
        yield
    finally:
        stop.set()
        thread.join(10)
        assert not thread.is_alive()


# --- In this process --------------------------------------------------------------------------------------------------


@committing
def test_a_wake_up_interrupts_the_wait_of_another_thread() -> None:
    waker = Waker("events")
    woken: list[bool] = []
    thread = threading.Thread(target=lambda: woken.append(waker.wait(30)))
    thread.start()

    wake.wake("events")

    thread.join(10)
    assert woken == [True]


@committing
def test_a_wake_up_before_the_wait_is_not_lost_and_counts_once() -> None:
    waker = Waker("events")
    wake.wake("events")
    wake.wake("events")

    assert waker.wait(0)
    assert not waker.wait(0)


@committing
def test_one_of_those_who_wait_is_woken_and_the_next_by_the_next() -> None:
    """The others would only look at the same."""
    wakers = [Waker("events") for _ in range(3)]
    woken: queue.SimpleQueue[int] = queue.SimpleQueue()

    def work(number: int) -> None:
        if wakers[number].wait(10):
            woken.put(number)

    for number in range(3):
        threading.Thread(target=work, args=[number]).start()
    until(lambda: all(waker.is_idle for waker in wakers))

    found = []
    for _ in range(3):
        wake.wake_here("events")
        found.append(woken.get(timeout=10))
        assert woken.empty()
    assert sorted(found) == [0, 1, 2]


@committing
def test_all_look_again_when_none_waits() -> None:
    wakers = [Waker("events") for _ in range(2)]
    wake.wake("events")
    assert all(waker.wait(0) for waker in wakers)


@committing
def test_who_is_at_work_is_spared_when_only_the_idle_are_meant() -> None:
    waker = Waker("events")
    wake.wake_here("events", only_idle=True)
    assert not waker.wait(0)


@committing
def test_only_those_are_woken_whom_the_topic_concerns() -> None:
    both, other, none = Waker("events", "alerts"), Waker("sms"), Waker()
    wake.wake("alerts")

    assert both.wait(0)
    assert not other.wait(0)
    assert not none.wait(0)


@committing
def test_nobody_is_woken_before_the_commit() -> None:
    waker = Waker("events")
    with transaction.atomic():
        wake.wake("events")
        assert not waker.wait(0)
    assert waker.wait(0)


@committing
def test_nobody_is_woken_for_what_was_rolled_back() -> None:
    waker = Waker("events")
    with transaction.atomic():
        wake.wake("events")
        transaction.set_rollback(True)
    assert not waker.wait(0)


# --- From another process, PostgreSQL ---------------------------------------------------------------------------------


def another_session() -> Any:
    import psycopg

    known = connection.get_connection_params()
    parameters: dict[str, Any] = {name: known.get(name) for name in ("dbname", "user", "password", "host", "port")}
    return psycopg.connect(**parameters, autocommit=True)


def end_listener() -> int:
    """As a restart of the server does."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND query LIKE 'LISTEN%' AND state = 'idle'"
        )
        return len(cursor.fetchall())


@on_postgresql
@committing
@pytest.mark.usefixtures("listening")
def test_a_notify_from_another_process_wakes_its_topic_alone() -> None:
    concerned, other = Waker("events"), Waker("sms")
    with another_session() as session:
        session.execute("SELECT pg_notify('alerts_wake', 'events')")
        assert concerned.wait(10)
    assert not other.wait(0)


@on_postgresql
@committing
@pytest.mark.usefixtures("listening")
def test_a_process_does_not_tell_itself() -> None:
    own, other = Waker("events"), Waker("sms")
    wake.wake("events")
    assert own.wait(0)
    with another_session() as session:
        session.execute("SELECT pg_notify('alerts_wake', 'sms')")
        assert other.wait(10)  # what was sent before it has been heard by now
    assert not own.wait(10 * wake.ECHO)


@on_postgresql
@committing
def test_other_processes_hear_of_a_wake_up_once_in_twenty_milliseconds() -> None:
    with another_session() as session:
        session.execute("LISTEN alerts_wake")
        began = time.monotonic()
        for _ in range(50):
            wake.wake("events")
        most = (time.monotonic() - began) / wake.GAP + 1
        wake.wake("sms")
        heard = [notification.payload.rpartition(" ")[2] for notification in session.notifies(timeout=1.0)]

    assert 1 <= heard.count("events") <= most
    assert heard.count("sms") == 1


@on_postgresql
@committing
def test_a_lost_connection_is_logged_and_never_raised() -> None:
    waker = Waker("events")
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        pid = cursor.fetchone()[0]
    with another_session() as session:
        session.execute("SELECT pg_terminate_backend(%s)", [pid])

    with capture_logs() as logs:
        wake.wake("events")
    connection.close()

    assert [line["event"] for line in logs] == ["wakeup.not_sent"]
    assert waker.wait(0)


@on_postgresql
@committing
@pytest.mark.usefixtures("listening")
def test_listens_again_after_the_server_was_lost() -> None:
    waker = Waker("events")
    with capture_logs() as logs:
        assert end_listener() == 1
        assert waker.wait(10)  # for what may have been missed meanwhile
        with another_session() as session:
            session.execute("SELECT pg_notify('alerts_wake', 'events')")
            assert waker.wait(10)
    assert [line["retry_in"] for line in logs] == [0.1]


# --- From another process, SQLite -------------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A database of its own."""
    path = tmp_path / "db.sqlite3"
    path.touch()
    path.chmod(0o660)  # umask or not
    monkeypatch.setitem(connection.settings_dict, "NAME", str(path))
    return path


def another_process(file: Path) -> subprocess.Popen[str]:
    """It sends each line that it is given as a topic."""
    program = (
        "import sys, pathlib\nfrom alerts_runtime.wakeups import fifo as pipes\nfor line in sys.stdin:\n"
        f"    pipes.send(pathlib.Path({str(file)!r}), line.strip())\n    print('sent', flush=True)"
    )
    return subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    )


@pytest.fixture
def other(file: Path) -> Iterator[Callable[[str], None]]:
    """What sends a topic from another process, and returns when it has."""
    with another_process(file) as process:
        assert process.stdin
        assert process.stdout
        sending, sent = process.stdin, process.stdout

        def send(topic: str) -> None:
            sending.write(f"{topic}\n")
            assert sent.readline() == "sent\n"

        yield send
        sending.close()


@on_sqlite
def test_a_wake_up_of_another_process_wakes_its_topic_alone(
    file: Path, listening: None, other: Callable[[str], None]
) -> None:
    concerned, unconcerned = Waker("events"), Waker("sms")
    other("events")
    assert concerned.wait(10)
    assert not unconcerned.wait(0)


@on_sqlite
def test_what_was_heard_is_repeated_once_for_what_else_it_stood_for(
    file: Path, listening: None, other: Callable[[str], None]
) -> None:
    waker = Waker("events")
    other("events")
    assert waker.wait(10)
    assert waker.wait(10)
    assert not waker.wait(10 * wake.ECHO)


@on_sqlite
def test_a_process_does_not_tell_itself_by_a_pipe(file: Path, listening: None) -> None:
    waker = Waker("events")
    wake.wake("events")
    assert waker.wait(0)
    assert not waker.wait(10 * wake.ECHO)


@on_sqlite
def test_a_pipe_may_be_written_by_whoever_may_write_to_the_database(file: Path, listening: None) -> None:
    (pipe,) = file.parent.glob("*-wake-*")
    assert pipe.stat().st_mode & 0o777 == 0o660


@on_sqlite
def test_nothing_is_left_of_one_that_listened(file: Path) -> None:
    with fifo.hearing(file) as hear:
        assert len(list(file.parent.glob("*-wake-*"))) == 1
        assert hear(0) == set()
    assert list(file.parent.iterdir()) == [file]


@on_sqlite
def test_the_pipe_of_a_process_that_died_is_removed_but_not_one_just_made(file: Path) -> None:
    left, made = (file.with_name(f"{file.name}-wake-{name}") for name in ("left", "made"))
    for pipe in (left, made):
        os.mkfifo(pipe)
    before = time.time() - fifo.STALE_AFTER - 1
    os.utime(left, (before, before))

    fifo.send(file, "events")

    assert not left.exists()
    assert made.exists()


@on_sqlite
def test_a_pipe_that_is_full_keeps_nobody_waiting(file: Path) -> None:
    pipe = file.with_name(f"{file.name}-wake-frozen")
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)  # and never read
    for _ in range(20_000):  # more than the 64 KiB that a pipe holds
        fifo.send(file, "events")
    with pytest.raises(BlockingIOError):
        os.write(reader, b"events\n")  # it is full
    os.close(reader)


@on_sqlite
def test_a_pipe_that_was_deleted_is_made_anew(file: Path, listening: None, other: Callable[[str], None]) -> None:
    waker = Waker("events")
    with capture_logs() as logs:
        for pipe in file.parent.glob("*-wake-*"):
            pipe.unlink()
        until(lambda: logs)
        assert waker.wait(10)  # for what may have been missed meanwhile
        other("events")
        assert waker.wait(10)
    assert logs[0]["event"] == "wakeup.not_heard"


@on_sqlite
def test_a_folder_that_cannot_be_read_is_logged_and_never_raised(file: Path) -> None:
    waker = Waker("events")
    file.unlink()
    file.parent.rmdir()
    with capture_logs() as logs:
        wake.wake("events")
    assert [line["event"] for line in logs] == ["wakeup.not_sent"]
    assert waker.wait(0)


@on_sqlite
def test_a_database_in_memory_has_no_other_process_to_listen_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connection.settings_dict, "NAME", ":memory:")
    listener = threading.Thread(target=wake.listen, args=[threading.Event()], daemon=True)
    listener.start()
    listener.join(10)
    assert not listener.is_alive()
