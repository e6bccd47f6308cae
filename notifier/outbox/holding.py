"""Writes what happens to a due notification that is not sent: held, dropped, postponed, or marked as raising."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction

from alerts_runtime.leasing.clock import brought_forward
from alerts_runtime.redaction.loggers import get_logger
from alerts_runtime.redaction.redact import redact
from notifier.facts import Due, HeldBy, Reason, Severity
from notifier.judge.guards import Ruling
from notifier.models import Alert, Digest, Notification
from notifier.outbox import hold_history, last_resort, targets
from notifier.outbox.plans import change, locked, set_due

log = get_logger(__name__)

# The first pause after which a held or diverted notification is judged again; for a diverted one it grows.
LOOK_AGAIN = timedelta(minutes=30)
FIRST_PAUSE = timedelta(seconds=10)  # after a notification raised an exception; doubles each time
LONGEST_HOLD = timedelta(days=1)  # the longest pause: settings and clocks may change meanwhile


def release_held(by: HeldBy, now: datetime, *, ref: int | str = "", alert: Alert | None = None) -> int:
    """Make due at once what a guard held, since what it waited for has ended early; how many notifications."""
    held = Notification.objects.filter(held_by=by, held_ref=str(ref), due_at__isnull=False)
    return (held.filter(alert=alert) if alert else held).update(due_at=now)


def bring_forward(by: timedelta, now: datetime) -> None:
    """Bring every due time forward after the clock was set back by `by`."""
    for model in (Notification, Digest):
        planned = model._default_manager.filter(due_at__gt=now, sending__isnull=True)
        planned.update(due_at=brought_forward("due_at", by, now))
    targets.bring_forward(by, now)


def hold(row: Notification, ruling: Ruling, now: datetime, reason: Reason | None = None) -> None:
    """Hold a notification: judge it again at `ruling.until`, or within a day. Why it is held is stored and shown."""
    by, ref = ruling.held_by or HeldBy.ENDED, ruling.ref[:100]
    since = row.held_since if (row.held_by, row.held_ref) == (by, ref) else now
    hold_history.begin(row, by, ref, now)
    until = min(ruling.until or now + LOOK_AGAIN, now + LONGEST_HOLD)
    # `trying_since` starts the time until its failover, which must not run while it is held.
    change(
        row,
        due_at=until,
        reason=reason.value if reason else row.reason,
        held_by=by,
        held_ref=ref,
        held_since=since,
        trying_since=None,
    )
    log.info("notification.held", notification=row.pk, alert=row.alert_id, by=ruling.name, until=str(until))


def drop(row: Notification, why: str) -> None:
    """Send nothing, since nothing is left to tell. `held_by` stays: a digest lists what was resolved while held."""
    by, ref = (row.held_by, row.held_ref) if row.held_by else (HeldBy.ENDED, why[:100])
    change(row, due_at=None, held_by=by, held_ref=ref)
    log.info("notification.dropped", notification=row.pk, alert=row.alert_id, reason=why)


def postpone(row: Notification, due: Due | None, now: datetime) -> None:
    """Move a notification that was due and no longer is to its next due time, or to none."""
    hold_history.end(row, now)
    if due is None:
        change(row, due_at=None, held_by="", held_ref="", held_since=None, rejected=False, tries=0, trying_since=None)
        return
    set_due(row, due, Severity(row.alert.severity))
    change(row, due_at=row.due_at, reason=row.reason, urgency=row.urgency, held_by="", held_ref="", held_since=None)


def trouble(pk: int, error: BaseException, now: datetime) -> None:
    """Mark a notification that raised an exception, tell the admins, and try it again after a growing pause.

    The other notifications are not affected. Raises only when the database cannot be reached.
    """
    log.exception("notification.failed", notification=pk, exc_info=error)
    what = f"{type(error).__name__}: {redact(_words(error), limit=300)}"
    with transaction.atomic():
        row = locked(pk)
        if row is None:
            return
        pause = min(FIRST_PAUSE * 2 ** min(row.tries, 20), LOOK_AGAIN)
        change(
            row,
            due_at=now + pause,
            tries=row.tries + 1,
            trying_since=row.trying_since or now,
            last_error=f"internal error: {what}"[:500],
        )
    if row.tries == 1 or pause == LOOK_AGAIN:
        last_resort.not_delivered(row.alert, f"internal error: {what}")


def _words(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - an exception whose text raises is somebody's mistake, not ours to pass on
        return "its text cannot be read"
