"""A worker's threads: named daemons that leave no database connection behind."""

from __future__ import annotations

import sys
import threading
import time
import traceback
import weakref
from collections.abc import Callable, Iterable

from django.db import close_old_connections, connection, connections

from alerts_runtime.database.sqlite import FileReplaced, check_file
from alerts_runtime.redaction.loggers import get_logger

log = get_logger(__name__)
CHECK_EVERY = 5.0  # seconds
_this_thread = threading.local()
_written_off: weakref.WeakSet[threading.Thread] = weakref.WeakSet()
_tell: list[Callable[[threading.Thread], None]] = []


def daemon(name: str, target: Callable[[], None]) -> threading.Thread:
    """A thread, not yet started. A daemon, so that one that hangs cannot keep the process alive."""
    return threading.Thread(target=target, name=name, daemon=True)


def alive(threads: Iterable[threading.Thread]) -> list[str]:
    """The names of those that have not ended."""
    return [thread.name for thread in threads if thread.is_alive()]


def where(thread: threading.Thread) -> str:
    """The line that a thread is at."""
    frame = sys._current_frames().get(thread.ident or 0)
    if frame is None:
        return ""
    last = traceback.extract_stack(frame)[-1]
    return f"{last.filename}:{last.lineno} {last.name}"


def write_off(thread: threading.Thread) -> None:
    """It hangs, and Python cannot end it: it gets no more work when it comes back, and another takes its place."""
    _written_off.add(thread)
    for told in _tell:
        try:
            told(thread)
        except Exception:  # the others are told all the same
            log.exception("thread.not_replaced", thread=thread.name)


def is_written_off() -> bool:
    """Whether the calling thread is."""
    return threading.current_thread() in _written_off


def take_back() -> None:
    """The calling thread has come back, and is not ours to end."""
    _written_off.discard(threading.current_thread())


def hung() -> list[threading.Thread]:
    """Those that were written off and have not come back."""
    return [thread for thread in list(_written_off) if thread.is_alive()]


def on_write_off(told: Callable[[threading.Thread], None]) -> None:
    """Called from another thread for each that is written off."""
    _tell.append(told)


def forget(told: Callable[[threading.Thread], None]) -> None:
    _tell.remove(told)


def check_connection() -> None:
    """Replaces a connection that is too old or broken; seldom, since that takes a round trip to find out.

    One that breaks in between makes what uses it fail: who catches that calls `close_connections`.
    """
    try:
        check_file()
    except FileReplaced as replaced:
        log.critical("database.file_replaced", reason=str(replaced))
        close_connections()
    now = time.monotonic()
    if now - getattr(_this_thread, "checked_at", -CHECK_EVERY) >= CHECK_EVERY:
        _this_thread.checked_at = now
        close_old_connections()


def database_answers() -> bool:
    """Whether it takes a statement, on a new connection when the one there was broke."""
    try:
        if not connection.in_atomic_block:
            close_old_connections()
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Exception:  # noqa: BLE001 - whatever it is, it says no
        return False
    return True


def close_connections() -> None:
    """Closes the calling thread's database connections, also broken ones."""
    for one in connections.all(initialized_only=True):
        try:
            one.close()
        except Exception:  # broken already; the next use opens another
            log.debug("connection.not_closed", exc_info=True)
