"""Cuts the database connections of a thread that hangs: Python cannot end it, but so what it did is rolled back."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable

from django.db.backends.base.base import BaseDatabaseWrapper

from webhooks.process.attempt import Attempt

_CANCEL_WITHIN = 5.0  # seconds
_INTERRUPT_FOR = 5.0  # seconds that a statement gets to see that it is interrupted
_RETURN_WITHIN = 1.0  # seconds that a thread gets to come back from a statement that was interrupted


def take_away(attempt: Attempt, thread: threading.Thread) -> None:
    """Keep the attempt's thread from writing to a database any more, and roll back what it has not committed."""
    attempt.taken_away = True
    watched = attempt.sessions
    if watched and not watched.over:  # when it is over, the outcome is being written
        watched.refuse()
        cut(watched.connections, thread, lambda: watched.over)


def cut(connections: Iterable[BaseDatabaseWrapper], thread: threading.Thread, is_over: Callable[[], bool]) -> None:
    """Cut the connections of another thread: what waits on one fails, and what is open on one is rolled back."""
    for connection in connections:
        with contextlib.suppress(Exception):  # it may have just been closed
            if connection.vendor == "postgresql":
                _cut_wire(connection)
            elif connection.vendor == "sqlite":
                _close_file(connection, thread, is_over)


def _cut_wire(connection: BaseDatabaseWrapper) -> None:
    """Cancel its statement, then cut it: a server that is busy with a statement does not notice a cut."""
    with contextlib.suppress(Exception):  # no connection for it: the cut will be noticed later
        connection.connection.cancel_safe(timeout=_CANCEL_WITHIN)
    with socket.socket(fileno=os.dup(connection.connection.fileno())) as wire:
        wire.shutdown(socket.SHUT_RDWR)


def _close_file(connection: BaseDatabaseWrapper, thread: threading.Thread, is_over: Callable[[], bool]) -> None:
    """Roll back and close it from this thread: otherwise SQLite's write lock stays taken while the handler hangs.

    That is only safe while its own thread is not in SQLite; from there an interrupt brings that thread back first.
    https://www.sqlite.org/c3ref/interrupt.html
    """
    session = connection.connection
    end = time.monotonic() + _INTERRUPT_FOR
    returns_by = 0.0
    while time.monotonic() < end and not is_over():
        if _is_in_sqlite(thread):
            session.interrupt()
            returns_by = time.monotonic() + _RETURN_WITHIN
        elif time.monotonic() >= returns_by:
            session.rollback()
            session.close()
            return
        time.sleep(0.01)


def _is_in_sqlite(thread: threading.Thread) -> bool:
    frame = sys._current_frames().get(thread.ident or 0)
    return frame is not None and frame.f_globals.get("__name__") == "django.db.backends.sqlite3.base"
