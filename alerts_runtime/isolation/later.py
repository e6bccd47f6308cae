"""Writes that the caller's transaction must not undo: one thread makes them, on a database connection of its own.

A write that fails is tried again with a growing pause. One that has failed for an hour, or that is left when the
process ends, is told to the last resort. Until a write is done it is in this process's memory alone.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from django.db import connection

from alerts_runtime.isolation import last_resort
from alerts_runtime.isolation.threads import close_connections
from alerts_runtime.redaction.loggers import get_logger

log = get_logger(__name__)

LONGEST = 3600.0  # seconds; longer than any handler may keep SQLite's write lock
AT_EXIT = 10.0  # seconds for which a process that ends waits
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 30.0


@dataclass
class _Waiting:
    key: str  # writes with the same key are made in their order
    what: str  # in words, for the log and the last resort
    write: Callable[[], object]
    since: float = field(default_factory=time.monotonic)
    next_at: float = 0.0
    pause: float = _FIRST_PAUSE


_discarded = ContextVar("alerts_later_discarded", default=False)
_changed = threading.Condition()
_waiting: list[_Waiting] = []
_thread: threading.Thread | None = None


def in_event_loop() -> bool:
    """Whether the caller is asynchronous code, where Django refuses to use the database."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def in_callers_transaction() -> bool:
    """Whether a rollback of the caller's could undo what is written now. The transaction of a Django TestCase does not
    count: code under test should behave as it does outside of it.
    """
    blocks = getattr(connection, "atomic_blocks", ())
    # Django marks a test case's blocks so, for atomic(durable=True).
    foreign = any(not getattr(block, "_from_testcase", False) for block in blocks)
    return foreign or (connection.connection is not None and not blocks and not connection.autocommit)


def write(key: str, what: str, call: Callable[[], object]) -> None:
    """Have `call` made by the thread: at once where nothing is in its way, after earlier calls with the same `key`.

    `what` says in words what would be lost. The thread ends when nothing is left; a process that ends waits for it,
    AT_EXIT seconds at most for a write that fails.
    """
    global _thread
    if _discarded.get():
        return
    with _changed:
        _waiting.append(_Waiting(key, what, call))
        if _thread is None:
            _thread = threading.Thread(target=_run, name="alerts-later")
            try:
                _thread.start()
            except RuntimeError:  # the process ends
                _thread = None
                _give_up(_waiting.pop())
        _changed.notify_all()


@contextmanager
def discarded() -> Iterator[None]:
    """Within, `write` does nothing: for a dry run, which undoes all that it does."""
    token = _discarded.set(True)
    try:
        yield
    finally:
        _discarded.reset(token)


def settle(timeout: float) -> bool:
    """Wait until nothing is left to write, at most `timeout` seconds; False when something still is. For tests."""
    with _changed:
        return _changed.wait_for(lambda: _thread is None, timeout)


def _run() -> None:
    global _thread
    while True:
        with _changed:
            if not _waiting:
                _thread = None
                _changed.notify_all()
                break
            now = time.monotonic()
            pause = min(one.next_at for one in _waiting) - now
            if pause > 0:
                _changed.wait(min(pause, 1.0))
                continue
            due = _due(now)
        for one in due:
            done = _try(one)
            with _changed:
                if done:
                    _waiting.remove(one)
    close_connections()


def _due(now: float) -> list[_Waiting]:
    """The first of each key, if its pause is over."""
    first: dict[str, _Waiting] = {}
    for one in _waiting:
        first.setdefault(one.key, one)
    return [one for one in first.values() if one.next_at <= now]


def _try(one: _Waiting) -> bool:
    try:
        one.write()
    except BaseException:  # even SystemExit must not end the thread, which has others to write
        close_connections()
        log.warning("write.delayed", what=one.what, exc_info=True)
    else:
        return True
    now = time.monotonic()
    one.next_at, one.pause = now + one.pause, min(one.pause * 2, _LONGEST_PAUSE)
    if now - one.since < (LONGEST if threading.main_thread().is_alive() else AT_EXIT):
        return False
    _give_up(one)
    return True


def _give_up(one: _Waiting) -> None:
    last_resort.say("not written", f"This could not be recorded: {one.what}", "See the log for the reason.")


def _after_fork() -> None:
    """In a child process: the parent writes what waits, and its thread was not copied."""
    global _thread, _changed
    _changed, _thread = threading.Condition(), None
    _waiting.clear()


os.register_at_fork(after_in_child=_after_fork)
