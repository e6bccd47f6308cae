"""What `manage.py worker` does beside an engine: request runs for what is due, and do what the engine leaves undone.

So a broker that is away, or an engine that is stopped or behind, makes work late by seconds and loses none.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from alerts_runtime.background import LONGEST_WAIT, Loop
from alerts_runtime.engine import hints
from alerts_runtime.leasing import clock
from alerts_runtime.redaction.loggers import get_logger

log = get_logger(__name__)

PATIENCE = timedelta(seconds=3)  # how long due work may wait for the engine before the worker does it


def with_fallback(loops: Iterable[Loop]) -> Iterator[Loop]:
    """The loops as a worker runs them beside an engine. Those that go by the clock alone are the worker's as ever."""
    for loop in loops:
        if loop.oldest_due is None or loop.topic is None:
            yield loop
        else:
            yield replace(loop, step=Fallback(loop).step, topic=None)


class Fallback:
    """Watches one loop whose work an engine does."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._hinted: datetime | None = None
        self._hinted_at = 0.0
        self._helping = False

    def step(self) -> float:
        now = clock.now()
        due = self._loop.oldest_due(now) if self._loop.oldest_due else None
        if due is not None:
            self._hint(due)
        if (due is not None and now - due > PATIENCE) or (self._loop.busy and self._loop.busy()):
            self._say(helping=True)
            return self._loop.step()
        self._say(helping=False)
        return LONGEST_WAIT

    def _hint(self, due: datetime) -> None:
        """Request a run once for what is due, and again every SAY_AGAIN seconds: no flood, however long it is away."""
        if due != self._hinted or time.monotonic() - self._hinted_at > hints.SAY_AGAIN:
            self._hinted, self._hinted_at = due, time.monotonic()
            hints.request_run(self._loop.name)

    def _say(self, *, helping: bool) -> None:
        if helping and not self._helping:
            log.warning("engine.behind", loop=self._loop.name)
        self._helping = helping
