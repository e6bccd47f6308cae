"""What this process knows of leases: which it holds, and which it has seen run out.

Measured with the monotonic clock: a wall clock that jumps must neither end a living lease nor keep a dead one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic

from alerts_runtime.leasing.leases import Seen


@dataclass(slots=True)
class Attempt:
    """Who has worked on an event since when, by the monotonic clock; and what to do when it has been too long."""

    token: str
    time_out: Callable[[threading.Thread], None]
    since: float
    renewed: float
    thread: threading.Thread = field(default_factory=threading.current_thread)


class Held:
    """The leases of the events that this process is working on."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._attempts: dict[str, Attempt] = {}

    @contextmanager
    def hold(self, token: str, time_out: Callable[[threading.Thread], None]) -> Iterator[None]:
        now = monotonic()
        with self._lock:
            self._attempts[token] = Attempt(token, time_out, now, now)
        try:
            yield
        finally:
            with self._lock:
                self._attempts.pop(token, None)  # not there: it has been written off

    def tokens(self) -> list[str]:
        with self._lock:
            return list(self._attempts)

    def write_off(self, timeout: timedelta) -> list[Attempt]:
        """Those that have run for so long, each once: from now on nobody here holds their leases."""
        now = monotonic()
        with self._lock:
            hung = [one for one in self._attempts.values() if now - one.since >= timeout.total_seconds()]
            for attempt in hung:
                del self._attempts[attempt.token]
        return hung

    def to_renew(self, lease: timedelta) -> list[str]:
        """Those whose renewal is due."""
        now = monotonic()
        with self._lock:
            due = [one for one in self._attempts.values() if now - one.renewed >= grace(lease) / 2]
            for attempt in due:
                attempt.renewed = now
        return [attempt.token for attempt in due]


def grace(lease: timedelta) -> float:
    """The seconds for which a lease must look expired. A living holder renews twice as often as that."""
    return min(max(lease.total_seconds() / 10, 0.5), 5.0)


held = Held()
overdue: Seen[tuple[str, datetime | None]] = Seen()  # token and end
