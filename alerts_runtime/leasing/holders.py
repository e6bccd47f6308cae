"""A lease is its holder's name: a process that holds something raises a counter for as long as it lives.

Whoever sees a counter stand still, while it has raised its own so often that a living process would have come to it as
well, frees what that process held. Steps are counted, and no clocks are compared: a clock that is set, a process that
was stopped and a database that nobody could write to end no lease.
"""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Collection, Iterable
from time import sleep

from django.conf import settings
from django.db.models import F

from alerts_runtime.isolation.threads import check_connection, close_connections, daemon
from alerts_runtime.models import Holder
from alerts_runtime.redaction.loggers import get_logger

log = get_logger(__name__)
LEASE = 15  # seconds after which others have what a process held that died; settings.ALERTS_LEASE is another
BEATS = 5  # of one's own, within which every living process has raised its counter
FORGET_AFTER = 1000  # of one's own, after which the row of a process that is gone is deleted


class Beat:
    """This process's counter, and what it has seen of the others'."""

    def __init__(self) -> None:
        self.name = secrets.token_hex(6)
        self._beats = 0
        self._seen: dict[str, tuple[int | None, int]] = {}  # another's counter, and one's own when it was seen first
        self._thread = daemon("holder", self._run)
        self._starting = threading.Lock()

    def start(self) -> None:
        with self._starting:
            if not self._thread.ident:
                self._thread.start()

    def beat(self) -> None:
        """Raise the counter, then look at the others'."""
        if not Holder.objects.filter(name=self.name).update(beats=F("beats") + 1):
            Holder.objects.create(name=self.name)
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
        """Those whose counter has stood still for long enough. One without a counter counts from now on."""
        since = {name: self._seen.setdefault(name, (None, self._beats))[1] for name in names if name != self.name}
        return {name for name, first in since.items() if self._beats - first >= BEATS}

    def _run(self) -> None:
        while True:
            try:
                check_connection()
                self.beat()
            except Exception as error:  # noqa: BLE001 - while this lasts, this process frees nobody's
                log.warning("holder.beat_failed", error=type(error).__name__)
                close_connections()
            sleep(float(getattr(settings, "ALERTS_LEASE", LEASE)) / (BEATS + 1))


def token() -> str:
    """A new one for what is claimed now, in the name of this process, which says from now on that it lives."""
    _mine.start()
    return f"{_mine.name}-{secrets.token_hex(8)}"


def abandoned(tokens: Collection[str]) -> list[str]:
    """Those of these tokens whose processes are gone, as far as this one has seen."""
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
