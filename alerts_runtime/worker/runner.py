"""Runs the loops that the apps register: threads, polling, wake-ups, heartbeat, shutdown. Knows none of them."""

from __future__ import annotations

import os
import queue
import signal
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from math import inf
from types import FrameType
from typing import Any

from django.db import close_old_connections, connection

from alerts_runtime.background import LONGEST_WAIT, Loop, pause_after
from alerts_runtime.engine import hints
from alerts_runtime.isolation import threads
from alerts_runtime.isolation.threads import alive, check_connection, close_connections, daemon, where
from alerts_runtime.leasing import clock
from alerts_runtime.monitoring import heartbeat
from alerts_runtime.redaction.loggers import get_logger
from alerts_runtime.wakeups import wake
from alerts_runtime.worker.turns import together

log = get_logger(__name__)

BEAT_EVERY = 5.0  # seconds
RESTART = 75  # the exit code that asks a supervisor for another worker; EX_TEMPFAIL of sysexits.h
CLOSE_WITHIN = 5.0  # seconds to give back what is in progress, when running steps have used up the time to stop


class Worker:
    """Runs loops until a signal (or `stop`) ends it."""

    def __init__(self, loops: Iterable[Loop], *, stop_timeout: float = 20) -> None:
        self.id = str(uuid.uuid4())
        loops = tuple(loops)
        names = [loop.name for loop in loops]
        if len(set(names)) < len(names):
            raise ValueError(f"Two loops have the same name: {', '.join(sorted(names))}.")
        self.loops, self._pools = together(loops)
        self.stop_timeout = stop_timeout
        self._started_at = clock.now()
        self._signals: queue.SimpleQueue[int] = queue.SimpleQueue()  # its put() may interrupt anything, as signals do
        self._stopping = threading.Event()
        self._wakers: list[wake.Waker] = []
        self._progress: dict[tuple[str, int], float] = {}
        self._threads: list[threading.Thread] = []
        self._slots: dict[threading.Thread, tuple[Loop, int, wake.Waker]] = {}
        self._lost: dict[threading.Thread, str] = {}  # threads that hang, and the name of their loop
        self._replacing = threading.Lock()
        self._code = 0

    def run(self) -> int:
        """Work until SIGTERM or SIGINT; returns the process's exit code.

        0: it stopped in good order. 1: a second signal cut that short. 75 (RESTART): so many of its threads hang that
        it has to be started again.
        """
        before = self._catch_signals()
        threads.on_write_off(self._replace)
        try:
            self._start()
            self._signals.get()
            return self._shut_down() or self._code
        finally:
            threads.forget(self._replace)
            for number, handler in before.items():
                signal.signal(number, handler)

    @property
    def connections(self) -> int:
        """The number of database connections when all of its threads are at work."""
        listens = connection.vendor == "postgresql" and not hints.in_use()
        return sum(loop.threads for loop in self.loops) + 1 + listens  # one for the heartbeat

    def stop(self) -> None:
        """Do what SIGTERM does; from any thread."""
        self._signals.put(signal.SIGTERM)

    def _catch_signals(self) -> dict[int, Any]:
        if threading.current_thread() is not threading.main_thread():
            return {}
        return {number: signal.signal(number, self._on_signal) for number in (signal.SIGTERM, signal.SIGINT)}

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self._signals.put(number)

    # --- Running ----------------------------------------------------------------------------------------------

    def _start(self) -> None:
        pulse = Loop("heartbeat", self._beat, topic=None)
        if not hints.in_use():
            self._threads.append(daemon("wake-ups", partial(wake.listen, self._stopping)))
        for loop in (pulse, *self.loops):
            for number in range(loop.threads):
                waker = wake.Waker(*([] if loop.topic is None else [loop.topic or loop.name]))
                self._wakers.append(waker)
                self._new_thread(loop, number, waker)
        for thread in self._threads:
            thread.start()

    def _new_thread(self, loop: Loop, number: int, waker: wake.Waker) -> threading.Thread:
        self._progress[loop.name, number] = time.monotonic()
        name = f"{loop.name}-{number + 1}" if loop.threads > 1 else loop.name
        thread = daemon(name, partial(self._work, loop, number, waker))
        self._slots[thread] = (loop, number, waker)
        self._threads.append(thread)
        return thread

    def _replace(self, hung: threading.Thread) -> None:
        """Start another thread in the place of one that hangs. When more hang than the loop has, end with RESTART."""
        with self._replacing:
            if self._stopping.is_set() or (slot := self._slots.pop(hung, None)) is None:
                return
            loop = slot[0]
            self._lost[hung] = loop.name
            lost = [thread for thread in threads.hung() if self._lost.get(thread) == loop.name]
            log.error("thread.replaced", thread=hung.name, where=where(hung), hung=len(lost))
            if len(lost) > loop.threads or not self._starts(self._new_thread(*slot)):
                log.critical("worker.restarting", loop=loop.name, hung=len(lost))
                self._code = RESTART
                self.stop()

    def _starts(self, thread: threading.Thread) -> bool:
        try:
            thread.start()
        except RuntimeError:  # the process may have no more
            self._threads.remove(thread)
            return False
        return True

    def _work(self, loop: Loop, number: int, waker: wake.Waker) -> None:
        failures = 0
        while not self._stopping.is_set() and not threads.is_written_off():
            try:
                check_connection()
                wait = float(loop.step())
                failures = 0
            except BaseException:  # even SystemExit of a handler must not end the thread
                failures += 1
                wait = pause_after(failures)
                log.exception("loop.failed", loop=loop.name, retry_in=wait)
                close_connections()
                self._stopping.wait(wait)  # not the waker: wake-ups must not hurry a loop that fails
                continue
            if threads.is_written_off():
                break  # another thread has its place by now
            self._progress[loop.name, number] = time.monotonic()
            if wait > 0:
                waker.wait(min(wait, LONGEST_WAIT))
        close_connections()

    def _beat(self) -> float:
        now = time.monotonic()
        silent: dict[str, float] = {}
        for (name, _), at in list(self._progress.items()):
            silent[name] = min(silent.get(name, inf), round(now - at, 1))
        for pool in self._pools:
            del silent[pool.pool.name]
            silent |= pool.silent()
        heartbeat.beat(
            self.id,
            clock.now(),
            host=socket.gethostname(),
            pid=os.getpid(),
            started_at=self._started_at,
            loops=silent,
            hung=len(threads.hung()),
        )
        return BEAT_EVERY

    # --- Stopping ---------------------------------------------------------------------------------------------

    def _shut_down(self) -> int:
        running = _waited_for(self._threads)
        log.info("worker.stopping", running=alive(running), seconds_at_most=self.stop_timeout)
        deadline = time.monotonic() + self.stop_timeout
        self._stopping.set()
        for waker in self._wakers:
            waker.set()
        if not self._wait_for(running, deadline):
            return 1
        for thread in _waited_for(running):
            log.error("thread.stuck", thread=thread.name, where=where(thread))
        within = max(deadline - time.monotonic(), CLOSE_WITHIN)
        closers = [
            daemon(f"{loop.name}-close", partial(_close, loop.close, loop.name, within))
            for loop in self.loops
            if loop.close
        ]
        for closer in closers:
            closer.start()
        if not self._wait_for(closers, time.monotonic() + within):
            return 1
        self._take_leave()
        log.info("worker.stopped")
        return 0

    def _wait_for(self, running: Sequence[threading.Thread], deadline: float) -> bool:
        """False when a second signal came first."""
        while _waited_for(running) and time.monotonic() < deadline:
            try:
                self._signals.get(timeout=0.02)
            except queue.Empty:
                continue
            log.warning("worker.stopped_at_once", running=alive(running))
            return False
        return True

    def _take_leave(self) -> None:
        try:
            close_old_connections()
            heartbeat.forget(self.id)
        except Exception:  # the row is pruned within a day: no reason to fail while stopping
            log.exception("heartbeat.not_removed")
        finally:
            close_connections()


def _waited_for(running: Iterable[threading.Thread]) -> list[threading.Thread]:
    """The threads that have not ended, without those that are known to hang."""
    lost = threads.hung()
    return [thread for thread in running if thread.is_alive() and thread not in lost]


def _close(close: Callable[[float], None], name: str, within: float) -> None:
    try:
        close(within)
    except Exception:  # others take over what this worker has, once its lease ends
        log.exception("loop.not_handed_back", loop=name)
    finally:
        close_connections()
