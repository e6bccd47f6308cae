"""A number whose owner answered STOP: it is set aside, as if Twilio had refused it, and an alert says so."""

from __future__ import annotations

from datetime import datetime

from notifier.facts import DeliveryError, Result
from notifier.models import Target
from notifier.outbox import set_aside, stand_ins

STOPPED = "21610"  # Twilio's own code for it


def note(address: str, now: datetime, *, stopped: bool) -> int:
    """Set a number aside on every channel that reaches it, or take it back in; of how many targets."""
    found = Target.objects.filter(address=address)
    if stopped:
        error = DeliveryError(Result.REJECTED, STOPPED, "the recipient has answered STOP", target_dead=True)
        rows = list(found.filter(dead_since__isnull=True))
        for row in rows:
            set_aside.set_aside(row.pk, error, now)
    else:
        rows = list(found.filter(dead_detail__startswith=f"{STOPPED}:"))
        for row in rows:
            stand_ins.revive(row, now)
    return len(rows)
