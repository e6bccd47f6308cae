"""What this process knows of leases: which it holds, and which it has seen run out.

Measured with the monotonic clock: a wall clock that jumps must neither end a living lease nor keep a dead one.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from time import monotonic

from core.leases import Seen


class Held:
    """The leases of the events that this process is working on."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._since: dict[str, float] = {}
        self._renewed: dict[str, float] = {}
        self._event_ids: dict[str, str] = {}

    @contextmanager
    def hold(self, token: str, event_id: str) -> Iterator[None]:
        with self._lock:
            self._since[token] = self._renewed[token] = monotonic()
            self._event_ids[token] = event_id
        try:
            yield
        finally:
            with self._lock:
                del self._since[token], self._renewed[token]
                self._event_ids.pop(token, None)

    def tokens(self) -> list[str]:
        with self._lock:
            return list(self._since)

    def newly_hung(self, timeout: timedelta) -> list[str]:
        """The ids of the events whose handlers have run for longer than that; each is named once."""
        now = monotonic()
        with self._lock:
            hung = [token for token in self._event_ids if now - self._since[token] >= timeout.total_seconds()]
            return [self._event_ids.pop(token) for token in hung]

    def to_renew(self, lease: timedelta, timeout: timedelta) -> list[str]:
        """Those whose renewal is due, without the hung ones: a hung handler must lose its lease."""
        now = monotonic()
        with self._lock:
            due = [
                token
                for token, since in self._since.items()
                if now - since < timeout.total_seconds() and now - self._renewed[token] >= grace(lease) / 2
            ]
            self._renewed.update(dict.fromkeys(due, now))
        return due


def grace(lease: timedelta) -> float:
    """The seconds for which a lease must look expired. A living holder renews twice as often as that."""
    return min(max(lease.total_seconds() / 10, 0.5), 5.0)


held = Held()
overdue: Seen[tuple[str, datetime | None]] = Seen()  # token and end
