"""A digest that cannot be made or delivered: its row is marked, and the log and the admins are told.

Part of the outbox's writer. Uses plain values and UPDATEs only, and does not touch again whatever raised.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction

from alerts_runtime.isolation import last_resort
from alerts_runtime.redaction.loggers import get_logger
from alerts_runtime.redaction.masking import masked
from alerts_runtime.redaction.redact import redact
from notifier.models import Digest

log = get_logger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=10), timedelta(minutes=30)  # doubles with each failure
GIVE_UP_AFTER = timedelta(days=3)
_RAISED = "internal error"


def trouble(pk: int, error: Exception, now: datetime) -> None:
    """A digest that raised while it was made: tried again with a growing pause, for three days. Others go on."""
    log.exception("digest.failed", digest=pk, exc_info=error)
    what = f"{_RAISED}: {redact(type(error).__name__, limit=100)}"
    with transaction.atomic():
        due = Digest.objects.select_for_update(of=("self",)).select_related("target")
        row = due.filter(pk=pk, sending__isnull=True, due_at__isnull=False).first()
        if row is None:
            return
        ended = now - row.ends_at >= GIVE_UP_AFTER
        pause = min(FIRST_PAUSE * 2 ** min(row.tries, 20), LONGEST_PAUSE)
        due_at = None if ended else now + pause
        Digest.objects.filter(pk=pk).update(tries=row.tries + 1, outcome=what, due_at=due_at)
    if ended:
        given_up(row, what)
    elif not row.outcome.startswith(_RAISED):
        _say(row, "could not be made", f"{what}. It is tried again for three days; the log has the traceback.")


def given_up(row: Digest, why: str) -> None:
    """Tell the admins that this digest will not be sent, since its recipient expects it."""
    _say(row, "was not delivered", f"{why}. Nothing sends it again; the next begins where the last that went ended.")


def _say(row: Digest, what: str, text: str) -> None:
    who = f"{row.target.channel} {masked(row.target.address)}"
    last_resort.say(
        f"digest {row.name} {row.target_id}",
        f"Digest {row.name} for {who} {what}",
        f"From {row.starts_at:%Y-%m-%d %H:%M} to {row.ends_at:%Y-%m-%d %H:%M} UTC: {text}",
    )
