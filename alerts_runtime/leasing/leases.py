"""For how long leases have been seen as they are. A wall clock that is stepped must neither end nor keep one."""

from __future__ import annotations

from collections.abc import Collection, Hashable
from time import monotonic
from typing import Generic, TypeVar

Lease = TypeVar("Lease", bound=Hashable)
LOOK_WITHIN = 5.0  # seconds that count between two looks


class Seen(Generic[Lease]):
    """What one process knows. A lease's value must hold its end, so that a renewal makes it another one."""

    def __init__(self) -> None:
        self._ages: dict[Lease, float] = {}
        self._looked_at = monotonic()

    def ages(self, leases: Collection[Lease]) -> dict[Lease, float]:
        """The seconds for which each of these, which are all there are, has been seen unchanged."""
        now = monotonic()
        # Whoever was stopped, or had no database, has seen nothing meanwhile; nor could anybody renew.
        passed = min(now - self._looked_at, LOOK_WITHIN)
        self._looked_at = now
        self._ages = {lease: self._ages[lease] + passed if lease in self._ages else 0.0 for lease in leases}
        return self._ages
