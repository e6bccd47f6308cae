"""Wake-ups arrive at once, in this process and from others; what goes wrong with them harms nobody."""

from __future__ import annotations

import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from structlog.testing import capture_logs

from core import wake
from core.wake import Waker
from tests.core.waiting import until

IS_POSTGRESQL = connection.vendor == "postgresql"
on_postgresql = pytest.mark.skipif(not IS_POSTGRESQL, reason="LISTEN/NOTIFY is PostgreSQL's; set TEST_DATABASE_URL")
on_sqlite = pytest.mark.skipif(
    connection.vendor != "sqlite", reason="data_version is SQLite's; unset TEST_DATABASE_URL"
)
committing = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def may_notify_at_once() -> None:
    wake._notified_at.clear()


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
def test_other_processes_hear_of_a_wake_up_once_in_twenty_milliseconds() -> None:
    with another_session() as session:
        session.execute("LISTEN alerts_wake")
        began = time.monotonic()
        for _ in range(50):
            wake.wake("events")
        most = (time.monotonic() - began) / wake.NOTIFY_GAP + 1
        wake.wake("sms")
        heard = [notification.payload for notification in session.notifies(timeout=1.0)]

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

    assert [line["event"] for line in logs] == ["other processes were not woken"]
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


def commit(path: str | Path) -> None:
    """As another process does: on a connection that Django does not know."""
    with closing(sqlite3.connect(path, timeout=20, isolation_level=None)) as session:
        session.execute("UPDATE django_content_type SET model = model WHERE id = 0")
        session.execute("CREATE TABLE IF NOT EXISTS for_test (id INTEGER)")
        session.execute("INSERT INTO for_test VALUES (1)")


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A database that may be moved about."""
    path = tmp_path / "db.sqlite3"
    with closing(sqlite3.connect(path, isolation_level=None)) as session:
        session.execute("PRAGMA journal_mode=WAL")
        session.execute("CREATE TABLE django_content_type (id INTEGER, model TEXT)")
    monkeypatch.setitem(connection.settings_dict, "NAME", str(path))
    monkeypatch.setattr(wake, "CHECK_FILE_EVERY", 0.05)
    return path


@on_sqlite
def test_a_commit_of_another_connection_wakes_everybody(file: Path, listening: None) -> None:
    wakers = [Waker("events"), Waker("sms")]
    untouched = Waker()
    for _ in range(2):
        commit(file)
        assert all(waker.wait(10) for waker in wakers)
    assert not untouched.wait(0)


@on_sqlite
def test_nobody_is_woken_when_nothing_was_committed(file: Path, listening: None) -> None:
    waker = Waker("events")
    assert not waker.wait(20 * wake.LOOK_EVERY)


@on_sqlite
def test_a_file_that_is_gone_for_a_while_is_found_again(file: Path, listening: None) -> None:
    waker = Waker("events")
    away = file.with_name("away.sqlite3")
    with capture_logs() as logs:
        file.rename(away)
        until(lambda: logs)
        assert not file.exists()  # it was not created anew
        shutil.copy(away, file)  # another inode, as after a restore
        assert waker.wait(10)
        until(lambda: not waker.wait(0.1))
        commit(file)
        assert waker.wait(10)
    assert logs[0]["event"] == "wake-ups of other processes are lost for now"


@on_sqlite
def test_a_file_that_was_replaced_is_opened_anew(file: Path, listening: None) -> None:
    waker = Waker("events")
    with capture_logs() as logs:
        shutil.copy(file, file.with_name("restored.sqlite3"))
        file.with_name("restored.sqlite3").replace(file)
        until(lambda: logs)
        assert waker.wait(10)
        until(lambda: not waker.wait(0.1))
        commit(file)
        assert waker.wait(10)


@on_sqlite
def test_a_database_in_memory_has_no_other_process_to_listen_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connection.settings_dict, "NAME", ":memory:")
    wake.listen(threading.Event())  # returns at once
