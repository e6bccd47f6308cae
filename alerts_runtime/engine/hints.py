"""Asks an engine that the site runs (Celery, Huey, ...) to do the work, by a task of Django's Tasks API.

Such a hint names a loop and nothing else: what is due stands in the tables. It may be lost, since `manage.py worker`
looks too.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from django.conf import settings

from alerts_runtime.isolation.threads import daemon
from alerts_runtime.redaction.loggers import get_logger

log = get_logger(__name__)

GAP = 0.02  # seconds; within them one hint stands for all of its loop that this process commits
SAY_AGAIN = 5.0  # seconds after which a hint that was not acted on counts as lost
PAUSES = (0.5, 1.0, 2.0, 5.0)  # seconds until the next try, while the engine cannot be reached
_NONE = ("immediate", "dummy")  # Django's own backends run nothing in the background


def in_use() -> bool:
    """Whether ALERTS_ENGINE names an engine of TASKS. If not, `manage.py worker` does all the work itself."""
    path = backend()
    return bool(path) and not runs_nothing(path)


def alias() -> str:
    """ALERTS_ENGINE, a key of TASKS; empty where no engine does this work, whatever else the site's TASKS are for."""
    value = getattr(settings, "ALERTS_ENGINE", "")
    return value if isinstance(value, str) else ""


def backend() -> str:
    """The dotted path of that engine's Tasks backend; empty when TASKS has none of that key."""
    engine = engines().get(alias())
    return str(engine.get("BACKEND", "")) if isinstance(engine, Mapping) else ""


def engines() -> Mapping[str, object]:
    """The site's TASKS; empty when it is no dict, which the checks report."""
    tasks = getattr(settings, "TASKS", {})
    return tasks if isinstance(tasks, Mapping) else {}


def runs_nothing(path: str) -> bool:
    """Whether this backend does nothing in the background, as Django's own."""
    return path.rpartition(".")[0].rpartition(".")[2] in _NONE


def set_task(look: Callable[[], Any]) -> None:
    """Have hints sent as the task that `look` returns. A function, since importing the task imports the engine."""
    global _look
    _look = look


def request_run_if_used(loop: str) -> bool:
    """The same as `request_run` where an engine is in use; False where none is."""
    if not in_use():
        return False
    request_run(loop)
    return True


def request_run(loop: str) -> None:
    """Ask the engine to run this loop soon. Returns at once and never raises: a broker that is away delays nobody."""
    _hints.add(loop)


class Hints:
    """Sends the hints of this process, from a thread of its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked = threading.Event()
        self._pending: set[str] = set()
        self._waiting: dict[str, tuple[Any, float]] = {}
        self._thread: threading.Thread | None = None

    def add(self, loop: str) -> None:
        with self._lock:
            self._pending.add(loop)
            if self._thread is None or not self._thread.is_alive():
                self._thread = daemon("hints", self._run)
                self._thread.start()
        self._asked.set()

    def _run(self) -> None:
        failures = 0
        while True:
            self._asked.wait()
            self._asked.clear()
            with self._lock:
                loops, self._pending = self._pending, set()
            try:
                for loop in loops:
                    self._send(loop)
                if failures:
                    log.info("engine.reached")
                failures = 0
                time.sleep(GAP)
            except Exception as error:  # noqa: BLE001 - each broker has errors of its own, and all mean the same here
                if not failures:
                    log.error("engine.not_reached", error=type(error).__name__)
                time.sleep(PAUSES[min(failures, len(PAUSES) - 1)])
                failures += 1

    def _send(self, loop: str) -> None:
        if self._still_waits(loop):
            return  # when it runs it will find what this hint is about
        self._waiting[loop] = (_look().enqueue(loop), time.monotonic())

    def _still_waits(self, loop: str) -> bool:
        """Whether the last hint is still in the queue: then a stopped engine is not flooded with others.

        Not every engine can say so; one that cannot needs a queue with a limit.
        """
        result, sent_at = self._waiting.get(loop, (None, 0.0))
        if result is None or time.monotonic() - sent_at > SAY_AGAIN:
            return False
        try:
            result.refresh()
        except Exception:  # noqa: BLE001 - this engine keeps no results, or has lost this one
            return False
        return bool(result.status == "READY")


def _forget_parent() -> None:
    global _hints
    _hints = Hints()


_look: Callable[[], Any]
_hints = Hints()
os.register_at_fork(after_in_child=_forget_parent)
