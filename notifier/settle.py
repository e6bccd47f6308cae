"""Tries whose worker is gone: nobody knows whether they were taken. They end as UNCERTAIN and are sent again."""

from __future__ import annotations

import time
from datetime import datetime

import structlog

from core.wake import wake
from notifier import attempts, targets
from notifier.conf import get_policy
from notifier.facts import DeliveryError, Result

log = structlog.get_logger(__name__)

# A lease is over only if this process has watched it lie expired for so long: a clock that jumps ahead expires
# every lease at once, and their holders renew them within this time.
PATIENCE = targets.LEASE.total_seconds() / 4
_first_seen: dict[tuple[int, str], float] = {}


def settle_lost(now: datetime) -> int:
    """Settle the tries that nobody will finish; how many there were."""
    lost = {(attempt.pk, attempt.token): attempt for attempt in attempts.lost(now)}
    for gone in _first_seen.keys() - lost.keys():
        del _first_seen[gone]
    settled = 0
    for key, attempt in lost.items():
        since = _first_seen.setdefault(key, time.monotonic())
        if attempt.target.token == attempt.token and time.monotonic() - since < PATIENCE:
            continue
        error = DeliveryError(Result.UNCERTAIN, "worker-lost", "the worker died while it was sending")
        if attempts.finish(attempt.pk, error, get_policy(), now):
            settled += 1
            log.warning("lost attempt settled", attempt=attempt.reference, channel=attempt.target.channel)
            wake(f"deliver-{attempt.target.channel}")
    return settled
