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
    """The names of the threads that have not ended."""
    return [thread.name for thread in threads if thread.is_alive()]


def where(thread: threading.Thread) -> str:
    """The line that a thread is executing, as "file:line function"; empty when it has ended."""
    frame = sys._current_frames().get(thread.ident or 0)
    if frame is None:
        return ""
    last = traceback.extract_stack(frame)[-1]
    return f"{last.filename}:{last.lineno} {last.name}"


def write_off(thread: threading.Thread) -> None:
    """Give up a thread that hangs, since Python cannot end it: if it ever comes back, it gets no more work.

    Whoever asked with `on_write_off` is called, to put another in its place.
    """
    _written_off.add(thread)
    for told in _tell:
        try:
            told(thread)
        except Exception:  # the others are told all the same
            log.exception("thread.not_replaced", thread=thread.name)


def is_written_off() -> bool:
    """Whether the calling thread was given up."""
    return threading.current_thread() in _written_off


def take_back() -> None:
    """The calling thread has come back and is used again: for threads of an engine, which are not ours to end."""
    _written_off.discard(threading.current_thread())


def hung() -> list[threading.Thread]:
    """The threads that were given up and still hang."""
    return [thread for thread in list(_written_off) if thread.is_alive()]


def on_write_off(told: Callable[[threading.Thread], None]) -> None:
    """Have `told` called for each thread that is given up, from another thread."""
    _tell.append(told)


def forget(told: Callable[[threading.Thread], None]) -> None:
    """Undo `on_write_off`."""
    _tell.remove(told)


def check_connection() -> None:
    """Close this thread's connection when it is older than CONN_MAX_AGE or broken; Django then opens another.

    Looks every CHECK_EVERY seconds at most, since each look is a round trip. If the connection breaks in between, its
    user fails, and has to call `close_connections`.
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
    """Whether the database answers a statement; a broken connection is replaced first."""
    try:
        if not connection.in_atomic_block:
            close_old_connections()
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Exception:  # noqa: BLE001 - whatever it is, it says no
        return False
    return True


def close_connections() -> None:
    """Close the calling thread's database connections, broken ones too."""
    for one in connections.all(initialized_only=True):
        try:
            one.close()
        except Exception:  # broken already; the next use opens another
            log.debug("connection.not_closed", exc_info=True)
