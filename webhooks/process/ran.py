"""Records what became of each handler during one attempt."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from time import monotonic

from webhooks.handlers import Handler

Line = tuple[str, str, int]  # a handler's name, what became of it, milliseconds


class Came(StrEnum):
    """How it ended for one handler."""

    DONE = "done"
    UNDONE = "undone"  # it ran, and what it wrote was rolled back
    FAILED = "failed"
    NOT_RUN = "not run"  # the attempt had ended before its turn


@dataclass(slots=True)
class Ran:
    """The handlers of one attempt. One that is still running when the attempt ends is the one that failed it."""

    handlers: tuple[Handler, ...] = ()
    _took: dict[int, int] = field(default_factory=dict)  # milliseconds, by the handler's place
    _running: tuple[int, float] | None = None

    @contextmanager
    def running(self, handler: Handler) -> Iterator[None]:
        place, began = self.handlers.index(handler), monotonic()
        self._running = place, began
        yield
        self._took[place], self._running = _since(began), None

    def begin_again(self) -> None:
        """Its transaction runs anew: the database asked for that."""
        self._took = {place: took for place, took in self._took.items() if not self.handlers[place].atomic}
        self._running = None

    def lines(self, *, committed: bool) -> list[Line]:
        """Name, outcome and milliseconds of each, in the order in which they run."""
        in_order = sorted(range(len(self.handlers)), key=lambda place: self.handlers[place].atomic)
        return [(self.handlers[place].name, *self._came(place, committed)) for place in in_order]

    def _came(self, place: int, committed: bool) -> tuple[str, int]:
        if place in self._took:
            stays = committed or not self.handlers[place].atomic
            return (Came.DONE if stays else Came.UNDONE).value, self._took[place]
        if self._running and self._running[0] == place:
            return Came.FAILED.value, _since(self._running[1])
        return Came.NOT_RUN.value, 0


def _since(began: float) -> int:
    return round((monotonic() - began) * 1000)
