"""What a worker or an engine runs again and again: each app registers its loops here."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

LONGEST_WAIT = 1.0  # seconds; what polling costs at most when every wake-up is lost
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0  # seconds after a step that failed


def pause_after(failures: int) -> float:
    """Seconds until a step that has failed so often in a row is tried again."""
    return float(min(FIRST_PAUSE * 2 ** min(failures - 1, 10), LONGEST_PAUSE))


@dataclass(frozen=True)
class Pool:
    """Threads that many loops share, since each thread has a database connection of its own.

    `ready` names those of its loops that have something due, by one question; it may name too many, never too few.
    Where `busy` of a loop says so, it is asked without being named. `oldest_due` answers for all of them at once what
    each loop's own would, by their names.
    """

    name: str
    threads: int
    ready: Callable[[], Collection[str]]
    oldest_due: Callable[[datetime], Mapping[str, datetime]] | None = None


@dataclass(frozen=True)
class Loop:
    """Something to do again and again, with threads of its own so that it can delay no other loop.

    `step` does one unit of work and returns the seconds until it must look again at the latest; 0 means that there
    is more. A step that finds nothing must write nothing. `topic` names the wake-ups that concern it, its own name by
    default; None: no wake-up does. `oldest_due` says since when something waits for this loop.
    `close` hands back what is in flight, within so many seconds; 0: what can be handed back at this moment. A loop with
    a `pool` has no threads of its own in a worker.

    An engine needs to know more: whether something is `busy` whose end the next step writes down.
    """

    name: str
    step: Callable[[], float]
    threads: int = 1
    topic: str | None = ""
    oldest_due: Callable[[datetime], datetime | None] | None = None
    close: Callable[[float], None] | None = None
    busy: Callable[[], bool] | None = None
    pool: Pool | None = None


Factory = Callable[[], Iterable[Loop]]
_factories: list[Factory] = []


def register(factory: Factory) -> None:
    """Adds an app's loops. Called in AppConfig.ready(); the factory is called when a worker starts."""
    if factory not in _factories:
        _factories.append(factory)


def registered() -> tuple[Loop, ...]:
    """The loops of every app, made anew."""
    return tuple(loop for factory in _factories for loop in factory())


def waiting(now: datetime) -> Iterator[tuple[datetime, str]]:
    """Since when something waits, for each loop for which something does."""
    pools: dict[str, Pool] = {}
    for loop in registered():
        if loop.pool is not None and loop.pool.oldest_due is not None:
            pools[loop.pool.name] = loop.pool
        elif loop.oldest_due and (due := loop.oldest_due(now)) is not None:
            yield due, loop.name
    for pool in pools.values():
        if pool.oldest_due is not None:
            yield from ((due, name) for name, due in pool.oldest_due(now).items())
