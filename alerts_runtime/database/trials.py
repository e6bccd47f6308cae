"""Finds out whether events could be stored now, by trying the write and rolling it back; at most once a second."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import connection, transaction

from alerts_runtime.database.reconnect import on_a_good_connection
from alerts_runtime.database.sqlite import check_file, is_busy, shared_file
from alerts_runtime.redaction.loggers import get_logger

log = get_logger(__name__)
REMEMBER = 1.0  # seconds
LOCK_WITHIN = 1000  # milliseconds that a trial waits for SQLite's lock; events wait longer, a probe cannot
ROOM = 65_536  # bytes that must fit on the disk of a SQLite file

Trial = Callable[[], object]
_trials: list[Trial] = []


def register(trial: Trial) -> None:
    """Adds a write to be tried. Called in AppConfig.ready(). What it writes is rolled back."""
    if trial not in _trials:
        _trials.append(trial)


class Trials:
    """Tries all registered writes; in each process the answer is used for a second."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: Exception | None = None
        self._look_at = 0.0

    def failure(self, clock: float | None = None) -> Exception | None:
        """What a write raises now, or None. `clock` is time.monotonic()'s."""
        clock = time.monotonic() if clock is None else clock
        with self._lock:
            if clock >= self._look_at:
                self._known = _try_all()
                self._look_at = clock + REMEMBER
            return self._known

    def forget(self) -> None:
        with self._lock:
            self._look_at = 0.0


trials = Trials()


def _try_all() -> Exception | None:
    try:
        _try_the_disk()
        for trial in _trials:
            on_a_good_connection(lambda trial=trial: _try(trial))  # type: ignore[misc]  # a default binds the loop's
    except Exception as error:  # noqa: BLE001 - whatever it is, a delivery would meet it too
        return None if is_busy(error) else error
    return None


def _try(trial: Trial) -> None:
    check_file()
    with _short_wait(), transaction.atomic():
        trial()
        transaction.set_rollback(True)


def _try_the_disk() -> None:
    """SQLite keeps in memory what is rolled back: a full disk would not be noticed."""
    if file := shared_file():
        with tempfile.TemporaryFile(dir=file.parent) as probe:
            probe.write(b"x" * ROOM)
            probe.flush()
            os.fsync(probe.fileno())


@contextmanager
def _short_wait() -> Iterator[None]:
    if connection.vendor != "sqlite" or connection.in_atomic_block:
        yield
        return
    with connection.cursor() as cursor:
        (before,) = cursor.execute("PRAGMA busy_timeout").fetchone()
        cursor.execute(f"PRAGMA busy_timeout = {LOCK_WITHIN}")
    try:
        yield
    finally:
        if connection.connection is not None:
            with connection.cursor() as cursor:
                cursor.execute(f"PRAGMA busy_timeout = {before}")
