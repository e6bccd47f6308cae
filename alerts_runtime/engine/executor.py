"""A round: what an engine's task does for one loop, until nothing is due.

The loops live as long as the process, so that a channel keeps its connections and no loop runs more often at once
than it has threads.
"""

from __future__ import annotations

import threading
import time

from alerts_runtime.background import LONGEST_WAIT, Loop, registered
from alerts_runtime.isolation import threads
from alerts_runtime.isolation.threads import check_connection, close_connections
from alerts_runtime.redaction.loggers import get_logger
from alerts_runtime.wakeups import wake

log = get_logger(__name__)

SLICE = 10.0  # seconds; then other tasks of the engine get their turn, and it may stop in between
CLOSE_WITHIN = 40.0  # seconds, longer than any call to a provider


class LoopExecutor:
    """The rounds of one loop in this process."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._free = threading.BoundedSemaphore(loop.threads)
        self._at_work: set[threading.Thread] = set()
        threads.on_write_off(self._let_another)

    def run(self) -> bool:
        """True: it stopped while there was more to do."""
        if not self._free.acquire(blocking=False):
            wake.wake_here(self._topic)  # those at work look once more
            return False
        self._at_work.add(threading.current_thread())
        try:
            check_connection()
            return self._work()
        except BaseException:
            close_connections()
            raise
        finally:
            self._let_another(threading.current_thread())

    def _let_another(self, thread: threading.Thread) -> None:
        """At the end of a round, or when its thread hangs: whichever comes first. The engine's slot stays taken."""
        with _lock:
            mine = thread in self._at_work
            self._at_work.discard(thread)
        if mine:
            self._free.release()

    @property
    def _topic(self) -> str:
        return self._loop.topic or self._loop.name

    def _work(self) -> bool:
        loop, waker = self._loop, wake.Waker(self._topic)
        end = time.monotonic() + SLICE
        echoed = False
        while time.monotonic() < end:
            wait = loop.step()
            if threads.is_written_off():
                threads.take_back()  # an engine gives it work again, unlike a worker
                return False
            if wait == 0:
                echoed = False
            elif loop.busy and loop.busy():
                waker.wait(min(wait, LONGEST_WAIT))
                echoed = False
            elif echoed:
                return False
            else:
                waker.wait(wake.ECHO)
                echoed = True
        if loop.busy and loop.close and loop.busy():
            loop.close(CLOSE_WITHIN)
        return True


_executors: dict[str, LoopExecutor] = {}
_lock = threading.Lock()


def run(name: str) -> bool:
    """Do what is due in the loop of this name; True when more is left.

    A name that is unknown, from a newer version, is logged and ignored.
    """
    with _lock:
        if not _executors:
            _executors.update({loop.name: LoopExecutor(loop) for loop in registered()})
    if name in _executors:
        return _executors[name].run()
    log.warning("loop.unknown", loop=name)
    return False
