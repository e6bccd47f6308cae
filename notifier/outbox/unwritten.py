"""Stores the minimum of an attempt's outcome when the whole of it cannot be stored. Part of the outbox's writer.

Uses plain values and UPDATEs only, and does not touch again what may have raised (an answer, a row, a setting).
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F

from alerts_runtime.redaction.loggers import get_logger
from notifier.facts import DeliveryError, Reason, Receipt, Result
from notifier.models import Alert, Attempt, AttemptPart, Digest, Notification
from notifier.outbox import last_resort

log = get_logger(__name__)

FIRST_PAUSE = timedelta(seconds=10)  # doubles with each try
LONGEST_PAUSE = timedelta(minutes=30)


def settle(attempt_id: int, outcome: Receipt | DeliveryError, trouble: BaseException, now: datetime) -> int:
    """End an attempt; 1 when it was open. What was sent counts as told, what was not sent is due again after a pause.

    Either way its notifications are judged again soon, so that none waits for an outcome that was never stored.
    Raises when the database refuses even this.
    """
    sent = isinstance(outcome, Receipt)
    result = Result.DELIVERED if isinstance(outcome, Receipt) else outcome.result
    what = f"its outcome could not be stored ({type(trouble).__name__})"
    with transaction.atomic():
        open_try = Attempt.objects.filter(pk=attempt_id, result=Result.SENDING)
        ended = open_try.update(result=result.value, finished_at=now, code="not_stored", detail=what)
        if not ended:
            return 0
        for part in AttemptPart.objects.filter(attempt=attempt_id).order_by("notification__alert_id"):
            _settle_row(part, result, what, now)
        # Notifications without a part: it is not known what they were told.
        Notification.objects.filter(sending=attempt_id).update(sending=None, due_at=now + FIRST_PAUSE)
        digest = Digest.objects.filter(sending=attempt_id)
        if sent:
            digest.update(sending=None, due_at=None, sent_at=now, outcome="delivered; " + what)
        else:
            digest.update(sending=None, due_at=now + LONGEST_PAUSE, tries=F("tries") + 1, outcome=what)
    log.error("delivery.outcome_lost", attempt=attempt_id, result=result.value, exc_info=trouble)
    _tell(attempt_id, result, what)
    return 1


def _settle_row(part: AttemptPart, result: Result, what: str, now: datetime) -> None:
    rows = Notification.objects.filter(pk=part.notification_id, sending=part.attempt_id)
    tries = rows.values_list("tries", flat=True).first() or 0
    due_at = now + min(FIRST_PAUSE * 2 ** min(tries, 20), LONGEST_PAUSE)
    if result is Result.DELIVERED:
        rows.update(
            sending=None,
            due_at=due_at,
            told_seq=part.to_seq,
            told_severity=part.severity,
            told_at=now,
            told_resolved=part.reason == Reason.RESOLVED,
            told_answer=part.answer,
            told_level=part.level,
            sent=F("sent") + 1,
            tries=0,
            trying_since=None,
            held_by="",
            held_ref="",
            held_since=None,
        )
        return
    rows.update(sending=None, due_at=due_at, tries=F("tries") + 1, last_error=what, rejected=result is Result.REJECTED)
    Notification.objects.filter(pk=part.notification_id, trying_since=None).update(trying_since=now)


def _tell(attempt_id: int, result: Result, what: str) -> None:
    alert = Alert.objects.filter(notifications__parts_told__attempt=attempt_id).first()
    if alert is not None and result is not Result.DELIVERED:
        last_resort.not_delivered(alert, what)
