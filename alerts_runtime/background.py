"""What a worker or an engine runs again and again: each app registers its loops here."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

LONGEST_WAIT = 1.0  # seconds; what polling costs at most when every wake-up is lost
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0  # seconds after a step that failed


def pause_after(failures: int) -> float:
    """Seconds until a step is tried again that has failed `failures` times in a row."""
    return float(min(FIRST_PAUSE * 2 ** min(failures - 1, 10), LONGEST_PAUSE))


@dataclass(frozen=True)
class Pool:
    """Threads that many loops share: each thread has a database connection, and most loops have little to do."""

    name: str
    threads: int
    # The names of its loops that have something due, by one query for all. It may name too many, never too few. A loop
    # that is `busy` gets its step without being named.
    ready: Callable[[], Collection[str]]
    # By the names of its loops: what their own `oldest_due` would say, by one query for all.
    oldest_due: Callable[[datetime], Mapping[str, datetime]] | None = None


@dataclass(frozen=True)
class Loop:
    """Something to do again and again, in threads of its own so that it delays no other loop.

    For example a channel: each step claims what is due there, hands it to threads that call the provider, and writes
    down what those that have ended brought. While calls run the loop is `busy`: whoever runs it (a worker, or a task of
    an engine) must call `step` again, though nothing new is due.
    """

    name: str
    # Does one piece of work; returns the seconds until it must be called again at the latest, 0 when there is more. A
    # step that finds nothing to do must write nothing.
    step: Callable[[], float]
    threads: int = 1
    # The wake-ups that concern it; empty: those of its own name. None: it goes by the clock alone.
    topic: str | None = ""
    # Since when something waits for this loop; None: nothing does.
    oldest_due: Callable[[datetime], datetime | None] | None = None
    # Gives back what it has in progress, within so many seconds; 0: what can be given back at this moment.
    close: Callable[[float], None] | None = None
    # Whether something is in progress whose outcome a further step has to write down.
    busy: Callable[[], bool] | None = None
    # In a worker it has no threads of its own, but takes turns at those of its pool.
    pool: Pool | None = None


Factory = Callable[[], Iterable[Loop]]
_factories: list[Factory] = []


def register(factory: Factory) -> None:
    """Add an app's loops. Call it in AppConfig.ready(); `factory` makes the loops when a worker starts."""
    if factory not in _factories:
        _factories.append(factory)


def registered() -> tuple[Loop, ...]:
    """The loops of every app, made anew."""
    return tuple(loop for factory in _factories for loop in factory())


def waiting(now: datetime) -> Iterator[tuple[datetime, str]]:
    """For each loop for which something waits: since when, and the loop's name."""
    pools: dict[str, Pool] = {}
    for loop in registered():
        if loop.pool is not None and loop.pool.oldest_due is not None:
            pools[loop.pool.name] = loop.pool
        elif loop.oldest_due and (due := loop.oldest_due(now)) is not None:
            yield due, loop.name
    for pool in pools.values():
        if pool.oldest_due is not None:
            yield from ((due, name) for name, due in pool.oldest_due(now).items())
