"""Runs what happens by the clock so that one part, or one row, that fails delays none of the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from time import monotonic
from typing import TypeVar

from alerts_runtime.isolation import last_resort
from alerts_runtime.isolation.threads import database_answers
from alerts_runtime.redaction.loggers import get_logger

log = get_logger(__name__)

LONGEST_PAUSE = 60.0  # seconds, after what failed
TELL_AFTER = 5  # failures in a row, after which the last resort hears of it
FORGET_AFTER = 3600.0  # seconds after its pause, if it was not called again: its row is gone

Done = TypeVar("Done")
Part = Callable[[datetime], object]


@dataclass(frozen=True, slots=True)
class Trouble:
    """A part or row that failed, and is not tried again for a while."""

    times: int  # in a row
    until: float  # of time.monotonic()


_troubles: dict[str, Trouble] = {}


def on_its_own(kind: str, do: Callable[[], Done], *, key: object = "", longest: float = LONGEST_PAUSE) -> Done | None:
    """The result of `do()`. None when that raises, and for a while after that, in which `do` is not called.

    `kind` and `key` name it, such as "announce failure" and its number. After a failure the pause grows with each
    further one, up to `longest` seconds; the fifth in a row is told to the last resort, once for a `kind`.
    If the database cannot be reached its error is raised, as that concerns everything.
    """
    name = f"{kind} {key}".strip()
    trouble = _troubles.get(name)
    if trouble is not None and monotonic() < trouble.until:
        return None
    try:
        result = do()
    except Exception as error:
        if not database_answers():
            raise
        _note(kind, name, error, longest)
        return None
    _troubles.pop(name, None)
    return result


def _note(kind: str, name: str, error: Exception, longest: float) -> None:
    now, known = monotonic(), _troubles.get(name)
    times = known.times + 1 if known else 1
    pause = min(2.0 ** min(times, 10), longest)
    for gone in [other for other, one in list(_troubles.items()) if now > one.until + FORGET_AFTER]:
        _troubles.pop(gone, None)
    _troubles[name] = Trouble(times, now + pause)
    log.error("part.failed", part=name, times=times, retry_in=pause, exc_info=error)
    if times == TELL_AFTER:
        last_resort.say(
            kind,
            f"Failing: {name}",
            f"It has failed {times} times in a row, now with {type(error).__name__}. The log has the traceback. "
            "Everything else goes on, and it is tried again.",
        )


class Parts:
    """The parts of a tick. `of` names the tick; each part comes with the seconds between its calls (0: each step)."""

    def __init__(self, of: str, parts: Iterable[tuple[float, Part]]) -> None:
        self._parts = [(every, part, f"{of} {_name(part)}") for every, part in parts]
        self._next = [0.0] * len(self._parts)

    def __call__(self, now: Callable[[], datetime]) -> None:
        """Call each part whose time has come with the time that `now` gives. Raises when the database is away."""
        for number, (every, part, name) in enumerate(self._parts):
            if monotonic() >= self._next[number]:
                on_its_own(name, partial(part, now()))
                self._next[number] = monotonic() + every


def _name(part: Part) -> str:
    return str(getattr(part, "__qualname__", type(part).__qualname__))
