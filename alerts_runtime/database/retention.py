"""Deletes what is older than its retention: a small batch at a time, so that nobody has to wait for the database."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

from django.db.models import Model, QuerySet

BATCH = 500  # rows in one transaction
EVERY = 3600.0  # seconds until the next look when there is nothing more


class Pruner:
    """Calls `prune` at each step while there is more to delete, else once an hour. Any number of processes may.

    `prune(now)` deletes one batch and returns whether it found any.
    """

    def __init__(self, prune: Callable[[datetime], bool]) -> None:
        self._prune = prune
        self._look_at = 0.0

    def step(self, now: datetime, clock: float | None = None) -> None:
        """`clock` is time.monotonic()'s."""
        clock = time.monotonic() if clock is None else clock
        if clock >= self._look_at:
            self._look_at = clock + EVERY
            if self._prune(now):
                self._look_at = clock


def delete_some(rows: QuerySet[Model]) -> int:
    """Delete the first BATCH of these rows, or fewer; returns how many."""
    pks = list(rows.values_list("pk", flat=True)[:BATCH])
    deleted = rows.model._default_manager.filter(pk__in=pks).only("pk").delete() if pks else (0, {})
    return deleted[1].get(rows.model._meta.label, 0)
