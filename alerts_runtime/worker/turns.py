"""Lets the loops of a pool take turns at its threads: which loop has its next step, and when.

Once a second one query names the loops that have something due. A loop that is not named, not woken and not busy gets
no step, and costs nothing. No loop is in two threads at once, and one that fails delays none of the others.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from functools import partial
from math import inf

from alerts_runtime.background import LONGEST_WAIT, Loop, Pool, pause_after
from alerts_runtime.isolation.threads import close_connections, database_answers
from alerts_runtime.redaction.loggers import get_logger
from alerts_runtime.wakeups import wake

log = get_logger(__name__)
CLOSE_EVERY = 0.02  # seconds


class Turns:
    """One pool: its step is a step of whichever of its loops has waited longest."""

    def __init__(self, pool: Pool, loops: Iterable[Loop]) -> None:
        self.pool = pool
        self.loops = {loop.name: loop for loop in loops}
        self._lock = threading.Lock()
        self._due: dict[str, float] = {}  # loops that are to have a step, and from when (time.monotonic)
        self._at_work: set[str] = set()
        self._woken: set[str] = set()  # while they were at work: they get another step after it
        self._failures: dict[str, int] = {}
        self._not_before: dict[str, float] = {}  # loops that failed, and until when they are left alone
        self._look_at = 0.0
        self._progress = dict.fromkeys(self.loops, time.monotonic())
        self._bells = [  # kept here, since `wake` has only weak references to them
            Bell(loop.topic or name, partial(self._wake, name))
            for name, loop in self.loops.items()
            if loop.topic is not None
        ]

    @property
    def loop(self) -> Loop:
        """What a worker runs in each of the pool's threads."""
        threads = min(self.pool.threads, len(self.loops))
        return Loop(self.pool.name, self.step, threads=threads, close=self.close)

    def step(self) -> float:
        """One step of whichever loop has waited longest; returns the seconds until the next at the latest.

        Raises when the database is away.
        """
        if self._may_look():
            self._look()
        name, wait = self._take()
        if not name:
            return wait
        loop = self.loops[name]
        try:
            wait = float(loop.step())
            self._done(loop, wait, busy=loop.busy is not None and loop.busy())
        except BaseException:  # even SystemExit: the thread is also that of the other loops
            pause = self._failed(loop)
            close_connections()
            if not database_answers():
                raise
            log.exception("loop.failed", loop=name, retry_in=pause)
        return 0.0

    def silent(self) -> dict[str, float]:
        """Seconds since each loop last made progress, or had nothing to do."""
        now = time.monotonic()
        return {name: round(now - at, 1) for name, at in list(self._progress.items())}

    def close(self, within: float) -> None:
        """Let all loops give back what they have in progress, side by side: none uses up the others' time."""
        end = time.monotonic() + within
        left = [loop for loop in self.loops.values() if loop.close]
        while left:
            left = [loop for loop in left if _goes_on(loop)]
            if not left or time.monotonic() >= end:
                return
            time.sleep(CLOSE_EVERY)

    def _may_look(self) -> bool:
        with self._lock:
            now = time.monotonic()
            if now < self._look_at:
                return False
            self._look_at = now + LONGEST_WAIT
            return True

    def _look(self) -> None:
        named = set(self.pool.ready())
        with self._lock:
            resting = self.loops.keys() - self._at_work - self._due.keys()
            self._progress.update(dict.fromkeys(resting - named, time.monotonic()))
        for name in resting & named:
            self._wake(name)

    def _take(self) -> tuple[str, float]:
        """The loop whose turn it is; or none, and the seconds until it is some loop's turn."""
        with self._lock:
            now = time.monotonic()
            at, name = min(
                ((at, name) for name, at in self._due.items() if name not in self._at_work), default=(inf, "")
            )
            if at > now:
                return "", max(0.0, min(at, self._look_at) - now)
            del self._due[name]
            self._at_work.add(name)
            return name, 0.0

    def _done(self, loop: Loop, wait: float, *, busy: bool) -> None:
        with self._lock:
            now = self._progress[loop.name] = time.monotonic()
            self._at_work.discard(loop.name)
            self._failures.pop(loop.name, None)
            self._not_before.pop(loop.name, None)
            if loop.name in self._woken:
                self._woken.discard(loop.name)
                self._due[loop.name] = now
            elif busy or wait < LONGEST_WAIT:
                self._due[loop.name] = now + min(wait, LONGEST_WAIT)

    def _failed(self, loop: Loop) -> float:
        """How many seconds it is left alone now, whoever wakes it."""
        with self._lock:
            times = self._failures[loop.name] = self._failures.get(loop.name, 0) + 1
            pause = pause_after(times)
            self._not_before[loop.name] = self._due[loop.name] = time.monotonic() + pause
            self._at_work.discard(loop.name)
            self._woken.discard(loop.name)
        return pause

    def _wake(self, name: str) -> None:
        with self._lock:
            if name in self._at_work:
                self._woken.add(name)
                return
            at = max(time.monotonic(), self._not_before.get(name, 0.0))
            self._due[name] = min(at, self._due.get(name, at))
        wake.wake_here(self.pool.name)


class Bell(wake.Waker):
    """Receives the wake-ups for a loop that has no thread of its own to wait in."""

    def __init__(self, topic: str, ring: partial[None]) -> None:
        self._ring = ring
        super().__init__(topic)

    def set(self) -> None:
        self._ring()


def together(loops: Iterable[Loop]) -> tuple[list[Loop], list[Turns]]:
    """The loops that have threads of their own, with one for each pool, and the pools."""
    alone: list[Loop] = []
    pools: dict[str, tuple[Pool, list[Loop]]] = {}
    for loop in loops:
        if loop.pool is None:
            alone.append(loop)
        else:
            pools.setdefault(loop.pool.name, (loop.pool, []))[1].append(loop)
    turns = [Turns(pool, members) for pool, members in pools.values()]
    return [*alone, *(one.loop for one in turns)], turns


def _goes_on(loop: Loop) -> bool:
    """Let a loop give back what it can at this moment; whether it has more in progress."""
    try:
        if loop.close:
            loop.close(0)
        return loop.busy is not None and loop.busy()
    except Exception:  # leases run out by themselves
        log.exception("loop.not_handed_back", loop=loop.name)
        return False
