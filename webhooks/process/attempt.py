"""One attempt at an event, from its claim to its end, and those that are in progress in this process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from time import monotonic
from typing import Any

from alerts_runtime.redaction.loggers import get_logger
from webhooks.models import WebhookEvent
from webhooks.process.callbacks import Callbacks
from webhooks.process.leftovers import Sessions
from webhooks.process.ran import Ran

logger = get_logger(__name__)


class Result(StrEnum):
    PROCESSED = "processed"
    FAILED = "failed"
    BUSY = "busy"  # another worker has it
    UNKNOWN = "unknown"  # its outcome could not be written yet


@dataclass(slots=True, eq=False)
class Attempt:
    """An event that this process has claimed. Every later write makes sure that the row still has its token.

    `row.attempts` counts this attempt already. Events that were claimed together share a token (see
    alerts_runtime.leasing.holders) and are worked on in the order in which they were due.
    """

    row: WebhookEvent
    token: str
    claimed_at: float = field(default_factory=lambda: monotonic())
    thread: threading.Thread | None = None  # that runs its handlers; None: they have not begun
    began_at: float = 0.0
    sessions: Sessions | None = None  # while handlers run
    ran: Ran = field(default_factory=Ran)
    callbacks: Callbacks = field(default_factory=Callbacks)
    writes: bool = False  # its transaction has begun to write
    committed: bool = False
    taken_away: bool = False  # it timed out: what its thread does later is not used
    log: Any = None

    def __post_init__(self) -> None:
        row = self.row
        self.log = logger.bind(event_id=row.event_id, event_type=row.type, attempt=row.attempt, endpoint=row.endpoint)

    def duration_ms(self) -> int:
        return round((monotonic() - self.began_at) * 1000)

    def set_committed(self) -> None:
        self.committed = True


class InProgress:
    """The attempts of this process, from their claim until nothing of them runs any more.

    An attempt that somebody else takes out (`take...`), since it timed out or the worker stops, is theirs to settle:
    its own thread finds it gone and does nothing more.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._attempts: dict[Attempt, None] = {}

    def add(self, attempts: Iterable[Attempt]) -> None:
        with self._lock:
            self._attempts.update(dict.fromkeys(attempts))

    def begin(self, attempt: Attempt) -> bool:
        """Note that its handlers begin, in this thread. False: somebody has taken it out."""
        with self._lock:
            if attempt not in self._attempts:
                return False
            attempt.thread, attempt.began_at = threading.current_thread(), monotonic()
            return True

    def end(self, attempt: Attempt) -> None:
        with self._lock:
            self._attempts.pop(attempt, None)  # it is not there when somebody has taken it out

    def take(self, which: Callable[[Attempt], bool]) -> list[Attempt]:
        """Take out those for which `which` is true, and return them. Nobody gets one twice."""
        with self._lock:
            taken = [one for one in self._attempts if which(one)]
            for attempt in taken:
                del self._attempts[attempt]
        return taken

    def take_waiting(self, seconds: float) -> list[Attempt]:
        """Take out those that were claimed so long ago and have not begun: one before them in their thread is slow."""
        before = monotonic() - seconds
        return self.take(lambda one: one.thread is None and one.claimed_at <= before)

    def take_hung(self, timeout: timedelta) -> list[Attempt]:
        """Take out those whose handlers began longer ago than this."""
        before = monotonic() - timeout.total_seconds()
        return self.take(lambda one: one.thread is not None and one.began_at <= before)


in_progress = InProgress()
