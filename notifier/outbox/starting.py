"""Stores what is about to be sent and marks its notifications, in one commit before the call to the provider."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction

from alerts_runtime.database import fast_sql
from alerts_runtime.database.fast_sql import moment
from notifier.facts import Reason, Severity
from notifier.judge import guards
from notifier.models import Attempt, AttemptPart, Digest, Notification, Target
from notifier.outbox import leases


@dataclass(frozen=True, slots=True)
class Part:
    """What one notification contributes to a message."""

    row: Notification
    reason: Reason
    to_seq: int
    severity: Severity


@dataclass(frozen=True, slots=True)
class Try:
    """A message that is about to be sent, and what it tells of."""

    reason: Reason
    reference: str
    text: str
    parts: Sequence[Part] = ()
    digest: Digest | None = None


def start(target: Target, token: str, tries: Sequence[Try], now: datetime) -> list[Attempt]:
    """Store one attempt for each message, in one commit, and mark its notifications as being sent.

    Stores nothing when the target's lease is lost or a notification has changed since it was judged.
    """
    with transaction.atomic():
        if not leases.confirm(target.pk, token):
            return []
        attempts = [
            Attempt(
                target=target,
                token=token,
                reference=one.reference,
                reason=one.reason,
                text=one.text,
                started_at=now,
                digest_of=one.digest,
            )
            for one in tries
        ]
        fast_sql.create(*attempts)
        started = list(zip(attempts, tries, strict=True))
        parts = [(attempt, part) for attempt, one in started for part in one.parts]
        fast_sql.create(
            *(
                AttemptPart(
                    attempt=attempt,
                    notification=part.row,
                    reason=part.reason,
                    from_seq=min(part.row.told_seq, part.to_seq),
                    to_seq=part.to_seq,
                    severity=part.severity,
                    answer=part.row.alert.last_answer,
                    # A message about an answer does not tell of a page that is still to come.
                    level=part.row.told_level if part.reason is Reason.ANSWERED else part.row.level,
                )
                for attempt, part in parts
            )
        )
        if not _take(parts, now):
            transaction.set_rollback(True)
            return []
        for attempt, one in started:
            if one.digest is not None:
                Digest.objects.filter(pk=one.digest.pk).update(sending=attempt)
    return attempts


def _take(parts: Sequence[tuple[Attempt, Part]], now: datetime) -> bool:
    """Mark the notifications as being sent. False when one has changed since it was judged, or was acknowledged."""
    if not parts:
        return True
    with connection.cursor() as cursor:
        taken = fast_sql.for_each(
            cursor,
            _TAKE,
            [
                (
                    attempt.pk,
                    part.row.pk,
                    moment(part.row.due_at),
                    part.row.reason,
                    part.row.told_seq,
                    guards.acknowledged not in guards.TABLE[part.reason],
                    moment(now),
                )
                for attempt, part in parts
                if part.row.due_at is not None
            ],
        )
    for attempt, part in parts:
        part.row.sending = attempt
    return taken == len(parts)


_TAKE = """
    UPDATE swa_notifier_notification SET sending_id = %s
    WHERE id = %s AND sending_id IS NULL AND due_at = %s AND reason = %s AND told_seq = %s
        AND (%s OR NOT EXISTS (
            SELECT 1 FROM swa_notifier_alert alert
            WHERE alert.id = swa_notifier_notification.alert_id AND alert.acknowledged_until > %s
                AND alert.severity <= COALESCE(alert.acknowledged_severity, alert.severity)
        ) OR (reason = 'escalated' AND EXISTS (
            SELECT 1 FROM swa_notifier_escalation steps
            WHERE steps.alert_id = swa_notifier_notification.alert_id AND steps.asks_each
        )))
"""
