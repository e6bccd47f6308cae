"""Lets threads that store at the same time share a commit: while one is under way, the next one's items gather.

For SQLite, which has one writer: alone, each thread would sleep between two looks at its lock, and wait for a sync of
the disk of its own. https://www.sqlite.org/c3ref/busy_timeout.html
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

MOST = 50  # items in one commit
Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


class _Place(Generic[Item, Outcome]):
    """An item that waits to be written, and what came of it."""

    def __init__(self, item: Item) -> None:
        self.item = item
        self.outcome: list[Outcome] = []
        self.error: BaseException | None = None


class GroupCommit(Generic[Item, Outcome]):
    """Calls `write` with the items that have gathered; it must commit all of them, or raise and commit none."""

    def __init__(self, write: Callable[[list[Item]], list[Outcome]]) -> None:
        self._write = write
        self._queue: deque[_Place[Item, Outcome]] = deque()
        self._writer = threading.Lock()

    def __call__(self, item: Item) -> Outcome:
        """Store an item: returns once it is committed, and raises what `write` raised."""
        mine: _Place[Item, Outcome] = _Place(item)
        self._queue.append(mine)
        with self._writer:
            while not mine.outcome and not mine.error:
                self._commit([self._queue.popleft() for _ in range(min(len(self._queue), MOST))])
        if mine.error:
            raise mine.error
        return mine.outcome[0]

    def _commit(self, places: list[_Place[Item, Outcome]]) -> None:
        try:
            for place, outcome in zip(places, self._write([place.item for place in places]), strict=True):
                place.outcome.append(outcome)
        except BaseException as error:  # noqa: BLE001 - it is raised in each thread that waits for this commit
            for place in places:
                place.error = error
