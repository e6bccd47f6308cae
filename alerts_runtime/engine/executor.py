"""What a task of an engine (Celery, Huey, ...) does: run one loop until nothing is due there.

Each process of the engine makes its loops once and keeps them: so a channel keeps its connections, and a loop runs at
most as often at once as it has threads, however many tasks ask for it.
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

SLICE = 10.0  # seconds that one task takes at most: others get their turn, and the engine can be stopped
CLOSE_WITHIN = 40.0  # seconds to write down what calls to providers bring; none takes longer


class LoopExecutor:
    """Runs one loop in the tasks of this process."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._free = threading.BoundedSemaphore(loop.threads)
        self._at_work: set[threading.Thread] = set()
        threads.on_write_off(self._let_another)

    def run(self) -> bool:
        """Do what is due. True: SLICE was used up and more is left, so another task is needed."""
        if not self._free.acquire(blocking=False):
            wake.wake_here(self._topic)  # as many as may are at work: one of them looks once more
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
        """Free this thread's place: when its task ends, or when it hangs, whichever comes first."""
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
        looked_again = False
        while time.monotonic() < end:
            wait = loop.step()
            if threads.is_written_off():
                threads.take_back()  # it has come back, and the engine will use it again
                return False
            if wait == 0:  # there is more
                looked_again = False
            elif loop.busy and loop.busy():  # calls to a provider run: their outcomes need a further step
                waker.wait(min(wait, LONGEST_WAIT))
                looked_again = False
            elif looked_again:
                return False
            else:  # the request may have stood for others that came within GAP of it: see wakeups.wake
                waker.wait(wake.ECHO)
                looked_again = True
        if loop.busy and loop.close and loop.busy():
            loop.close(CLOSE_WITHIN)
        return True


_executors: dict[str, LoopExecutor] = {}
_lock = threading.Lock()


def run(name: str) -> bool:
    """Run the loop of this name; True when more is left. An unknown name, as of a newer version, is logged only."""
    with _lock:
        if not _executors:
            _executors.update({loop.name: LoopExecutor(loop) for loop in registered()})
    if name in _executors:
        return _executors[name].run()
    log.warning("loop.unknown", loop=name)
    return False
