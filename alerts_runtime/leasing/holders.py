"""Leases. Who works on a row is written in it: a token that begins with the name of a process, the lease's holder.

Every process that has a lease raises a counter of its own in a table (Holder), every 2.5 s by default. Each looks at
the others' counters whenever it raises its own. A process whose counter has not changed while another raised its own
BEATS (5) times is taken to be dead: that other frees its rows. An example with two workers, where B is killed after its
second beat:

    A's counter    7   8   9  10  11  12  13
    B's, as A sees 1   2   2   2   2   2   2     A has raised its own five times since: B is dead

No two clocks are compared and no row says when its lease ends. So none ends by mistake when a machine's clock is set,
when a process was suspended (it does not count meanwhile), or while nobody could write to the database.
"""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Collection, Iterable
from time import sleep

from django.db.models import F

from alerts_runtime.conf import lease
from alerts_runtime.isolation.threads import check_connection, close_connections, daemon
from alerts_runtime.leasing import clock
from alerts_runtime.models import Holder
from alerts_runtime.redaction.loggers import get_logger

log = get_logger(__name__)
BEATS = 5  # raises of one's own counter in which another's must have changed, if its process lives
FORGET_AFTER = 1000  # raises of one's own counter after which the row of a dead process is deleted


class Beat:
    """This process's counter, and what it has seen of the others'."""

    def __init__(self) -> None:
        self.name = secrets.token_hex(6)
        self._beats = 0
        # By name: the counter as it was last seen, and our own at the first time that it was seen so.
        self._seen: dict[str, tuple[int | None, int]] = {}
        self._thread = daemon("holder", self._run)
        self._starting = threading.Lock()

    def start(self) -> None:
        with self._starting:
            if not self._thread.ident:
                self._thread.start()

    def beat(self) -> None:
        """Raise the counter, then look at the others'; and at the database's clock, since it is asked anyway."""
        if not Holder.objects.filter(name=self.name).update(beats=F("beats") + 1):
            Holder.objects.create(name=self.name)
        clock.measure()
        self._beats += 1
        counters = dict(Holder.objects.values_list("name", "beats"))
        for name in {*counters, *self._seen}:
            known, since = self._seen.get(name, (None, self._beats))
            if known != counters.get(name):
                since = self._beats
            self._seen[name] = counters.get(name), since
        old = [name for name, (_, since) in self._seen.items() if self._beats - since > FORGET_AFTER]
        if old:
            Holder.objects.filter(name__in=old).delete()
            self._seen = {name: seen for name, seen in self._seen.items() if name not in old}

    def gone(self, names: Iterable[str]) -> set[str]:
        """The processes of these that are dead, as far as this one has seen.

        One that has no counter in the table is watched from now on.
        """
        since = {name: self._seen.setdefault(name, (None, self._beats))[1] for name in names if name != self.name}
        return {name for name, first in since.items() if self._beats - first >= BEATS}

    def _run(self) -> None:
        while True:
            try:
                check_connection()
                self.beat()
            except Exception as error:  # noqa: BLE001 - whatever it is, it is tried again
                log.warning("holder.beat_failed", error=type(error).__name__)
                close_connections()
            sleep(lease() / (BEATS + 1))


def token() -> str:
    """A new token with which to claim rows for this process. From then on its counter is raised."""
    _mine.start()
    return f"{_mine.name}-{secrets.token_hex(8)}"


def abandoned(tokens: Collection[str]) -> list[str]:
    """Which of these tokens belong to processes that are dead, as far as this one has seen."""
    if not tokens:
        return []
    _mine.start()
    gone = _mine.gone({_holder_of(one) for one in tokens})
    return [one for one in tokens if _holder_of(one) in gone]


def _holder_of(token: str) -> str:
    return token.partition("-")[0]


def _after_fork() -> None:
    global _mine
    _mine = Beat()


_mine = Beat()
os.register_at_fork(after_in_child=_after_fork)
