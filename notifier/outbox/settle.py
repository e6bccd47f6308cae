"""Ends attempts whose worker is gone as UNCERTAIN, since the provider may have accepted them; they are sent again."""

from __future__ import annotations

from datetime import datetime
from functools import partial

from alerts_runtime.isolation.parts import on_its_own
from alerts_runtime.redaction.loggers import get_logger
from alerts_runtime.wakeups.wake import wake
from notifier.config.conf import get_policy
from notifier.facts import DeliveryError, Result
from notifier.outbox import finishing, leases

log = get_logger(__name__)


def settle_lost(now: datetime) -> int:
    """End the leases of workers that are gone, and the attempts that they had under way; how many attempts."""
    if freed := leases.end_leases():
        log.warning("lease.freed", count=freed)
    settled = 0
    for attempt in finishing.lost():
        error = DeliveryError(Result.UNCERTAIN, "worker-lost", "the worker died while it was sending")
        finish = partial(finishing.finish, [finishing.Ended(attempt.pk, error)], get_policy(), now)
        if on_its_own("settle the lost try", finish, key=attempt.pk):
            settled += 1
            log.warning("delivery.worker_lost", reference=attempt.reference, channel=attempt.target.channel)
            wake(f"deliver-{attempt.target.channel}")
    return settled
