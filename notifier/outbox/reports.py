"""Delivery reports: what a provider says later of a message that it had accepted. Stored on the Attempt.

A message that was accepted and did not arrive counts as not sent: the notification is set back to what its target
knew before, and is due again; if the provider rejected it, the guards divert it to another channel.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

from django.db import transaction
from django.db.models import Min

from alerts_runtime.isolation.parts import on_its_own
from alerts_runtime.redaction.loggers import get_logger
from alerts_runtime.wakeups.wake import wake
from notifier.config.conf import get_policy
from notifier.facts import PROVIDER_ID, REFERENCE, DeliveryError, HeldBy, Reason, Result, storable
from notifier.judge import timing
from notifier.judge.delivery_status import NOT_SENT, Report, forward, report_of
from notifier.models import Alert, Attempt, AttemptPart, Digest, Notification
from notifier.outbox import digest_trouble, set_aside
from notifier.outbox.plans import urgency
from notifier.outbox.stand_ins import revive

log = get_logger(__name__)

RETRY_AFTER = timedelta(minutes=2)  # time for a telephone to get reception, or for a full queue to drain


def record(provider_id: object, report: Report, now: datetime, *, reference: str = "") -> bool:
    """Store a provider's report; False when it changes nothing: the message is unknown, or the report is old.

    A report can arrive before the answer to the request that sent the message. Then the attempt is found by its
    reference and keeps the report, and `catch_up` applies it.
    """
    provider_id, reference = storable(provider_id, PROVIDER_ID), storable(reference, REFERENCE)
    with transaction.atomic():
        attempt = _find(provider_id, reference)
        if attempt is None or forward(attempt.receipt, report.status) is None:
            return False
        was_sent = attempt.receipt not in NOT_SENT
        attempt.receipt, attempt.receipt_at = report.status, now
        attempt.receipt_code = report.code
        attempt.save(update_fields=["receipt", "receipt_at", "receipt_code"])
        if report.status == "delivered":
            _revive(attempt, now)
        if attempt.result == Result.DELIVERED.value and was_sent:
            _apply(attempt, report, now)
        elif report.error is not None and report.error.target_dead and attempt.result != Result.SENDING.value:
            set_aside.set_aside(attempt.target_id, report.error, now)
    log.info("delivery.reported", reference=attempt.reference, status=report.status, code=report.code)
    return True


def catch_up(now: datetime) -> int:
    """Apply the reports that came before the answer to the request; how many there were."""
    waiting = Attempt.objects.filter(receipt_at__isnull=False, receipt__in=NOT_SENT, result=Result.DELIVERED)
    pks = list(waiting.values_list("pk", flat=True))
    return sum(bool(on_its_own("apply the report on try", partial(_catch_up, pk, now), key=pk)) for pk in pks)


def _catch_up(pk: int, now: datetime) -> bool:
    with transaction.atomic():
        attempt = Attempt.objects.select_for_update(of=("self",)).get(pk=pk)
        report = report_of(attempt.receipt, attempt.receipt_code)
        if attempt.result != Result.DELIVERED.value or report is None:
            return False
        _apply(attempt, report, now)
        return True


def _revive(attempt: Attempt, now: datetime) -> None:
    dead_since = attempt.target.dead_since
    if dead_since is not None and attempt.started_at >= dead_since:
        revive(attempt.target, now)
        wake(f"deliver-{attempt.target.channel}")


def _find(provider_id: str, reference: str) -> Attempt | None:
    locked = Attempt.objects.select_for_update(of=("self",)).order_by("-pk")
    found = locked.filter(provider_id=provider_id).first() if provider_id else None
    if found is None and reference:
        # A message that was perhaps sent twice has two attempts with one reference: nobody knows whose report this is.
        tries = list(locked.filter(reference=reference))
        found = tries[0] if len(tries) == 1 and tries[0].result == Result.SENDING.value else None
    return found


def _apply(attempt: Attempt, report: Report, now: datetime) -> None:
    error = report.error
    if error is None:
        return
    if report.not_sent:
        attempt.result, attempt.code, attempt.detail = error.result.value, error.code, error.detail
        attempt.save(update_fields=["result", "code", "detail"])
        for part in attempt.parts_told.order_by("notification_id"):
            _take_back(part, attempt, error, now)
        if attempt.digest_of is not None:
            outcome = f"not delivered: {error.code}"
            Digest.objects.filter(pk=attempt.digest_of.pk).update(sent_at=None, outcome=outcome[:200])
            digest_trouble.given_up(attempt.digest_of, outcome)
        log.warning("delivery.not_arrived", reference=attempt.reference, code=error.code)
    if error.target_dead:
        set_aside.set_aside(attempt.target_id, error, now)
    if report.not_sent:
        wake(f"deliver-{attempt.target.channel}")


def _take_back(part: AttemptPart, attempt: Attempt, error: DeliveryError, now: datetime) -> None:
    """Take back what this part of a message told, unless a later message told it again."""
    # The alert is locked first, as where an attempt is finished and where a failure is counted.
    alert = Alert.objects.select_for_update().get(pk=_alert_of(part))
    row = Notification.objects.select_for_update(of=("self",)).get(pk=part.notification_id)
    heard = (
        AttemptPart.objects.filter(notification=row, attempt__result=Result.DELIVERED)
        .select_related("attempt")
        .order_by("-pk")
        .first()
    )
    if heard is not None and heard.pk > part.pk:
        return
    row.told_seq = heard.to_seq if heard else 0
    row.told_severity = heard.severity if heard else None
    row.told_at = heard.attempt.finished_at if heard else None
    row.told_answer = heard.answer if heard else 0
    row.told_resolved = heard is not None and heard.reason == Reason.RESOLVED
    row.told_level = min(heard.level, row.level) if heard else 0
    row.sent = max(row.sent - 1, 0)
    if heard is None:
        row.window, row.thread = 0, ""
    if row.sending_id is None:  # else the attempt under way plans what comes next when it ends
        _plan_again(row, part, attempt, error, alert, now)
    row.save()


def _plan_again(
    row: Notification, part: AttemptPart, attempt: Attempt, error: DeliveryError, alert: Alert, now: datetime
) -> None:
    state = alert.state
    due = timing.next_due(row.told, state, get_policy().timing(row.route), now)
    row.reason = due.reason.value if due else part.reason
    row.urgency = urgency(Reason(row.reason), state.subject.severity, row.sent)
    before = _came_back(part, row)
    again = error.result is Result.RETRY and before is None
    row.due_at, row.rejected = (now + RETRY_AFTER, False) if again else (now, True)
    row.tries, row.trying_since = 1, row.trying_since or attempt.started_at
    row.last_error = f"{error.code}: {error.detail}"[:500]
    # It was diverted before and has failed again: the pause until the next look goes on growing.
    row.held_by, row.held_ref, row.held_since = (HeldBy.DIVERTED, "", before) if before else ("", "", None)


def _came_back(part: AttemptPart, row: Notification) -> datetime | None:
    """Since when messages to this target have been failing by report, with none that arrived in between."""
    earlier = AttemptPart.objects.filter(notification=row, pk__lt=part.pk, attempt__receipt__in=NOT_SENT)
    if row.told_at is not None:
        earlier = earlier.filter(attempt__started_at__gt=row.told_at)
    found: datetime | None = earlier.aggregate(at=Min("attempt__started_at"))["at"]
    return found


def _alert_of(part: AttemptPart) -> int:
    found: int = Notification.objects.values_list("alert_id", flat=True).get(pk=part.notification_id)
    return found
