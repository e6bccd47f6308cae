"""Ends attempts whose handlers run for longer than HANDLER_TIMEOUT, in every process that runs handlers.

Python cannot end a thread. So its connections are cut, which undoes what it has not committed and lets it write
nothing more there; the failure says where it was; and whoever gave it work is told to use another thread.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable
from functools import partial
from types import FrameType, TracebackType

import structlog
from django.db.backends.base.base import BaseDatabaseWrapper

from alerts_runtime.isolation import threads
from webhooks.conf import config
from webhooks.exceptions import HandlerTimeout
from webhooks.process.leases import Attempt, held

logger = structlog.stdlib.get_logger(__name__)
LOOK_EVERY = 1.0  # seconds
_CANCEL_WITHIN = 5.0  # seconds
_INTERRUPT_FOR = 5.0  # seconds that a statement gets to see that it is interrupted
_watchers: set[int] = set()  # the processes that have one: a child has no threads of its parent's
_RETURN_WITHIN = 1.0  # seconds that a thread gets to come back from a statement that was interrupted
_starting = threading.Lock()


def watch() -> None:
    """See to it that this process has a watcher. It uses no database, which a handler that hangs may hold."""
    if os.getpid() not in _watchers:
        with _starting:
            if os.getpid() not in _watchers:
                _watchers.add(os.getpid())
                threads.daemon("handler-timeouts", _watch).start()


def look() -> None:
    """End what has run for too long, each in a thread of its own: its receivers may hang as well."""
    for attempt in held.write_off(config().handler_timeout):
        threads.daemon("handler-timed-out", partial(_end, attempt)).start()


def where_it_is(thread: threading.Thread, within: str) -> HandlerTimeout:
    """An exception whose traceback is the thread's stack as it is now, inside that module."""
    frame = sys._current_frames().get(thread.ident or 0)
    step: TracebackType | None = None
    inside: TracebackType | None = None
    while frame is not None:
        step = TracebackType(step, frame, frame.f_lasti, frame.f_lineno or 0)
        if _module(frame) == within:
            inside = step  # the outermost is kept: see below
            if frame.f_back is None or _module(frame.f_back) != within:
                break
        frame = frame.f_back
    return HandlerTimeout().with_traceback(inside or step)


def cut(connections: Iterable[BaseDatabaseWrapper], thread: threading.Thread, is_over: Callable[[], bool]) -> None:
    """Cut the connections of another thread: what waits on one fails, and what is open on one is rolled back."""
    for connection in connections:
        with contextlib.suppress(Exception):  # it has just been closed, or nothing can be done about it
            if connection.vendor == "postgresql":
                _cut_wire(connection)
            elif connection.vendor == "sqlite":
                _close_file(connection, thread, is_over)


def _watch() -> None:
    while True:
        time.sleep(min(LOOK_EVERY, config().handler_timeout.total_seconds() / 4))
        try:
            look()
        except Exception:  # the next look comes
            logger.exception("handlers that hang cannot be looked for")


def _end(attempt: Attempt) -> None:
    try:
        attempt.time_out(attempt.thread)
    except Exception:  # its lease is renewed no more, which is a failure too
        logger.exception("handler.timeout_not_recorded", thread=attempt.thread.name)
    finally:
        threads.write_off(attempt.thread)
        threads.close_connections()


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))


def _cut_wire(connection: BaseDatabaseWrapper) -> None:
    """Cancelled first: a server that is busy with a statement does not look whether anybody still waits for it."""
    with contextlib.suppress(Exception):  # no connection for it: the cut will be noticed later
        connection.connection.cancel_safe(timeout=_CANCEL_WITHIN)
    with socket.socket(fileno=os.dup(connection.connection.fileno())) as wire:
        wire.shutdown(socket.SHUT_RDWR)


def _close_file(connection: BaseDatabaseWrapper, thread: threading.Thread, is_over: Callable[[], bool]) -> None:
    """Rolled back and closed from here, or the one write lock would be kept for as long as the handler hangs.

    Only while the thread is not in SQLite itself: two threads must not end one session. From there it is brought back
    by an interrupt, and then closes it. https://www.sqlite.org/c3ref/interrupt.html
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
    return frame is not None and _module(frame) == "django.db.backends.sqlite3.base"
