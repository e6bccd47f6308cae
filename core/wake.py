"""Wake-ups: hints that there is work. Losing every one of them costs a second, never a message: loops also poll.

`wake` reaches the loops of this process at once and, on PostgreSQL, those of every other process by NOTIFY. SQLite
tells nobody of a commit, so there `listen` watches a number that changes with every commit of another connection.
Where an engine does the work, it is told instead.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from weakref import WeakSet

import structlog
from django.db import connection

from core import engine

log = structlog.get_logger(__name__)

CHANNEL = "alerts_wake"
NOTIFY_GAP = 0.02  # seconds; one NOTIFY may stand for all that this process sends within them
LOOK_EVERY = 0.008  # seconds between two looks at a SQLite file
LOOK_EVERY_IN_STORM = 0.05
STORM = 10  # looks in a row that found a change
CHECK_FILE_EVERY = 1.0
ANSWER_STOP_WITHIN = 0.25
PAUSES = (0.1, 0.5, 1.0, 2.0, 5.0)  # before connecting again

_wakers: defaultdict[str, WeakSet[Waker]] = defaultdict(WeakSet)
_lock = threading.Lock()
_notified_at: dict[str, float] = {}


class Waker:
    """What one thread waits on: a wake-up of any of its topics, also one that came before it began to wait."""

    def __init__(self, *topics: str) -> None:
        self._event = threading.Event()
        with _lock:
            for topic in topics:
                _wakers[topic].add(self)

    def wait(self, timeout: float) -> bool:
        """Waits at most so many seconds; True when it was woken."""
        woken = self._event.wait(timeout)
        self._event.clear()
        return woken

    def set(self) -> None:
        self._event.set()


def wake(topic: str) -> None:
    """Wakes whoever waits for this topic, in any process, as soon as what it is about is committed. Never raises."""
    if connection.in_atomic_block:
        connection.on_commit(lambda: _wake_now(topic), robust=True)
    else:
        _wake_now(topic)


def wake_here(topic: str) -> None:
    """The same for this process alone, at once, and without the database: for threads that must not connect."""
    with _lock:
        wakers = list(_wakers.get(topic, ()))
    for waker in wakers:
        waker.set()


def listen(stop: threading.Event) -> None:
    """Passes on the wake-ups of other processes until `stop` is set. Runs in a thread of its own."""
    watch = _WATCHES.get(connection.vendor)
    if not watch or (connection.vendor == "sqlite" and _is_in_memory()):
        return
    failures = 0
    while not stop.is_set():
        began = time.monotonic()
        try:
            watch(stop)
        except Exception as error:  # noqa: BLE001 - whatever it is, trying again is all that can be done
            failures = failures + 1 if time.monotonic() - began < max(PAUSES) else 1
            pause = PAUSES[min(failures, len(PAUSES)) - 1]
            log.warning("wake-ups of other processes are lost for now", error=str(error), retry_in=pause)
            stop.wait(pause)
        finally:
            connection.close()


def _wake_now(topic: str) -> None:
    wake_here(topic)
    if engine.in_use():
        engine.hint(topic)
    elif connection.vendor == "postgresql" and _may_notify(topic):
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_notify(%s, %s)", [CHANNEL, topic])
        except Exception:  # a hint; whatever is wrong, the caller's work is already stored
            log.warning("other processes were not woken", topic=topic, exc_info=True)


def _wake_all_here() -> None:
    with _lock:
        wakers = {waker for concerned in _wakers.values() for waker in concerned}
    for waker in wakers:
        waker.set()


def _may_notify(topic: str) -> bool:
    now = time.monotonic()
    with _lock:
        if now - _notified_at.get(topic, -NOTIFY_GAP) < NOTIFY_GAP:
            return False
        _notified_at[topic] = now
        return True


def _await_notify(stop: threading.Event) -> None:
    """https://www.postgresql.org/docs/current/sql-listen.html, on this thread's own connection."""
    with connection.cursor() as cursor:
        cursor.execute(f"LISTEN {CHANNEL}")
    _wake_all_here()  # for what was missed before
    while not stop.is_set():
        for notification in connection.connection.notifies(timeout=ANSWER_STOP_WITHIN):
            wake_here(notification.payload)


def _watch_file(stop: threading.Event) -> None:
    """https://www.sqlite.org/pragma.html#pragma_data_version, on a connection of its own."""
    path = Path(str(connection.settings_dict["NAME"]))
    with closing(_open(path)) as file:
        inode = path.stat().st_ino
        _wake_all_here()  # for what was missed before
        version, changes, checked_at = _version(file), 0, time.monotonic()
        while not stop.wait(LOOK_EVERY if changes < STORM else LOOK_EVERY_IN_STORM):
            found = _version(file)
            changes = changes + 1 if found != version else 0
            if found != version:
                version = found
                _wake_all_here()
            if time.monotonic() - checked_at >= CHECK_FILE_EVERY:
                checked_at = time.monotonic()
                if path.stat().st_ino != inode:
                    raise OSError("The database file was replaced.")


def _open(path: Path) -> sqlite3.Connection:
    # rw, not rwc: a missing file must be an error, not a new and empty database
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None)


def _version(file: sqlite3.Connection) -> int:
    return int(file.execute("PRAGMA data_version").fetchone()[0])


def _is_in_memory() -> bool:
    name = str(connection.settings_dict["NAME"])
    return ":memory:" in name or "mode=memory" in name


_WATCHES: dict[str, Callable[[threading.Event], Any]] = {"postgresql": _await_notify, "sqlite": _watch_file}
