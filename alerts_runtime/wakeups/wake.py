"""Wake-ups tell loops that there is work. They may all be lost: loops look for themselves once a second.

`wake` reaches the loops of this process at once, and those of every other process by NOTIFY on PostgreSQL and by named
pipes on SQLite. Where an engine does the work, the engine is asked instead.

A wake-up wakes one of the threads that wait for its topic. A thread that finds more work than it can take wakes
another.

Two limits keep a storm of events cheap. An example, in milliseconds, of a process A that stores events at 0, 5 and 15,
and of a worker in process B:

    0   A sends a wake-up                     B wakes, and finds the first event
    5   A stores another: none is sent, since GAP (20) has not passed
    15  A stores another: the same
    25  B wakes by itself, ECHO (25) after what it heard, and finds the other two

So A sends at most 50 messages a second, and B never misses what a message stood for: ECHO is longer than GAP.
"""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from weakref import WeakSet

from django.db import connection

from alerts_runtime.database.sqlite import shared_file
from alerts_runtime.redaction.loggers import get_logger
from alerts_runtime.wakeups import fifo

log = get_logger(__name__)

CHANNEL = "alerts_wake"
GAP = 0.02  # seconds; within them one message to other processes stands for all of its topic
ECHO = 0.025  # seconds after which whoever heard a message looks once more; longer than GAP
LISTEN_FOR = 0.25  # seconds; how long a listener takes to notice that it is to stop
PAUSES = (0.1, 0.5, 1.0, 2.0, 5.0)  # before connecting again

Hear = Callable[[float], set[str]]  # waits so many seconds for topics
_wakers: defaultdict[str, WeakSet[Waker]] = defaultdict(WeakSet)
_lock = threading.Lock()
_sent_at: dict[str, float] = {}
_instead: list[Callable[[str], bool]] = []
_name = secrets.token_hex(4)  # not the pid, which is unique on one machine only


class Waker:
    """What a thread waits on for wake-ups of its topics. One that comes before `wait` is called ends that at once."""

    def __init__(self, *topics: str) -> None:
        self._event = threading.Event()
        self._waits = False
        with _lock:
            for topic in topics:
                _wakers[topic].add(self)

    def wait(self, timeout: float) -> bool:
        """Wait at most `timeout` seconds; True when it was woken."""
        self._waits = True
        woken = self._event.wait(timeout)
        self._waits = False
        self._event.clear()
        return woken

    def set(self) -> None:
        self._event.set()

    @property
    def is_idle(self) -> bool:
        """Whether its thread is waiting, and was not woken yet."""
        return self._waits and not self._event.is_set()


def wake(topic: str) -> None:
    """Wake a thread that waits for this topic, in this and in every other process. Never raises.

    Within a transaction that happens after its commit.
    """
    if connection.in_atomic_block:
        connection.on_commit(lambda: _wake_now(topic), robust=True)
    else:
        _wake_now(topic)


def instead(tell: Callable[[str], bool]) -> None:
    """Have `tell` asked before anything is sent to other processes: when it returns True, it has told the engine that
    does the work there, and nothing is sent.
    """
    if tell not in _instead:
        _instead.append(tell)


def wake_here(topic: str, *, only_idle: bool = False) -> None:
    """Wake a thread of this process alone, at once and without the database: for threads that must not connect to it.

    `only_idle`: when all of them are at work wake none, since they look again by themselves.
    """
    with _lock:
        wakers = list(_wakers.get(topic, ()))
    # When all are at work wake all: each may have looked for work just before this came.
    idle = [waker for waker in wakers if waker.is_idle]
    for waker in idle[:1] or ([] if only_idle else wakers):
        waker.set()


def listen(stop: threading.Event) -> None:
    """Pass on the wake-ups of other processes until `stop` is set. Runs in a thread of its own."""
    failures = 0
    while not stop.is_set():
        began = time.monotonic()
        try:
            hearing = _hearing()
            if hearing is None:
                return
            with hearing as hear:
                _wake_all_here()  # something may have come before this began to listen
                _pass_on(hear, stop)
        except Exception as error:  # noqa: BLE001 - whatever it is, trying again is all that can be done
            failures = failures + 1 if time.monotonic() - began < max(PAUSES) else 1
            pause = PAUSES[min(failures, len(PAUSES)) - 1]
            log.warning("wakeup.not_heard", reason=str(error), retry_in=pause)
            stop.wait(pause)
        finally:
            connection.close()


def _pass_on(hear: Hear, stop: threading.Event) -> None:
    echoes: dict[str, float] = {}
    while not stop.is_set():
        heard = hear(ECHO if echoes else LISTEN_FOR)
        now = time.monotonic()
        again = {topic for topic, at in echoes.items() if at <= now}
        echoes = {topic: at for topic, at in echoes.items() if at > now} | dict.fromkeys(heard, now + ECHO)
        for topic in heard | again:
            wake_here(topic)


def _hearing() -> AbstractContextManager[Hear] | None:
    if connection.vendor == "postgresql":
        return _notifications()
    database = shared_file()
    return fifo.hearing(database) if database and hasattr(os, "mkfifo") else None


@contextmanager
def _notifications() -> Iterator[Hear]:
    """https://www.postgresql.org/docs/current/sql-listen.html, on this thread's own connection."""
    with connection.cursor() as cursor:
        cursor.execute(f"LISTEN {CHANNEL}")
    notifies = connection.connection.notifies

    def hear(timeout: float) -> set[str]:
        heard = [notification.payload.rpartition(" ") for notification in notifies(timeout=timeout, stop_after=1)]
        return {topic for sender, _, topic in heard if sender != _me()}

    yield hear


def _wake_all_here() -> None:
    with _lock:
        wakers = {waker for concerned in _wakers.values() for waker in concerned}
    for waker in wakers:
        waker.set()


def _wake_now(topic: str) -> None:
    wake_here(topic)
    if any(tell(topic) for tell in _instead):
        return
    if _may_send(topic):
        try:
            _send(topic)
        except Exception:  # the caller's work is stored, and others find it within a second
            log.warning("wakeup.not_sent", topic=topic, exc_info=True)


def _send(topic: str) -> None:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_notify(%s, %s)", [CHANNEL, f"{_me()} {topic}"])
    elif database := shared_file():
        fifo.send(database, topic)


def _me() -> str:
    """The name of this process in what it sends, by which it ignores its own messages."""
    return f"{_name}-{os.getpid()}"


def _may_send(topic: str) -> bool:
    now = time.monotonic()
    with _lock:
        if now - _sent_at.get(topic, -GAP) < GAP:
            return False
        _sent_at[topic] = now
        return True
