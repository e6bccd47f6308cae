"""Writes what its caller's transaction must not take with it: by one thread, on a connection of its own.

What cannot be written is tried again with a growing pause, by itself; what could not be written for an hour, or when
the process ends, is said at the last resort. Until it is written it lives in this process alone.
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
    key: str  # what is written under one key keeps its order
    what: str  # for people
    write: Callable[[], object]
    since: float = field(default_factory=time.monotonic)
    next_at: float = 0.0
    pause: float = _FIRST_PAUSE


_discarded = ContextVar("alerts_later_discarded", default=False)
_changed = threading.Condition()
_waiting: list[_Waiting] = []
_thread: threading.Thread | None = None


def in_event_loop() -> bool:
    """Whether this is asynchronous code, in which Django lets nobody use the database."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def in_callers_transaction() -> bool:
    """Whether what is written now would be undone with somebody else's transaction; a test case's own is none."""
    blocks = getattr(connection, "atomic_blocks", ())
    # As Django itself tells them apart for atomic(durable=True).
    foreign = any(not getattr(block, "_from_testcase", False) for block in blocks)
    return foreign or (connection.connection is not None and not blocks and not connection.autocommit)


def write(key: str, what: str, call: Callable[[], object]) -> None:
    """Have it written by the thread, which ends when nothing waits. The process waits for it at its end."""
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
    """Within, nothing is written: for what is done only to be undone."""
    token = _discarded.set(True)
    try:
        yield
    finally:
        _discarded.reset(token)


def settle(timeout: float) -> bool:
    """Wait until everything is written; False: it was not, in so many seconds."""
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
    """What may be tried now, none before an earlier one of its key."""
    first: dict[str, _Waiting] = {}
    for one in _waiting:
        first.setdefault(one.key, one)
    return [one for one in first.values() if one.next_at <= now]


def _try(one: _Waiting) -> bool:
    try:
        one.write()
    except BaseException:  # whatever it is, it is this one's trouble, and the thread goes on with the others
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
    """What waits is the parent's to write, and its thread is not here."""
    global _thread, _changed
    _changed, _thread = threading.Condition(), None
    _waiting.clear()


os.register_at_fork(after_in_child=_after_fork)
