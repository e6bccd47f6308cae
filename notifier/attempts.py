"""What is being told: the sending half of the outbox. Claim with a lease and a token, try, write down the outcome.

Claim, attempt, finish: each is its own commit, so that whatever dies leaves a row that says how far it came.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.db.models import Count, F, Min, Q, Sum

from core import backoff
from core.redact import redact
from notifier import targets, timing
from notifier.alerts import state_of
from notifier.facts import DeliveryError, Reason, Receipt, Result, Severity
from notifier.models import Alert, Attempt, AttemptPart, Digest, Notification, Target
from notifier.outbox import told_of, unplanned, urgency
from notifier.policy import Policy
from notifier.throttle import Pending, fair_order

log = structlog.get_logger(__name__)

RETRIES = backoff.policy(attempts=60, max_age=timedelta(days=3).total_seconds())
_COUNTED = (Result.SENDING.value, Result.DELIVERED.value, Result.UNCERTAIN.value)


@dataclass(frozen=True, slots=True)
class Part:
    """What one notification contributes to a message."""

    row: Notification
    reason: Reason
    to_seq: int
    severity: Severity


def due_rows(target_id: int, now: datetime, limit: int) -> list[Notification]:
    """What is due for a target, the most urgent first."""
    due = Notification.objects.filter(target=target_id, due_at__lte=now, sending__isnull=True)
    rows = list(due.select_related("alert", "target").order_by("urgency", "due_at")[:limit])
    if len(rows) == limit:
        # So many wait that the oldest of another kind may be out of sight: one of each kind joins, so that all can
        # take turns.
        kinds = due.exclude(pk__in=[row.pk for row in rows]).values(
            "alert__category", "alert__event_type", "alert__source"
        )
        firsts = [kind["first"] for kind in kinds.annotate(first=Min("pk"))]
        rows += due.select_related("alert", "target").filter(pk__in=firsts)
    return rows


def in_turn(
    target_id: int, cleared: list[tuple[Notification, Reason]], since: datetime
) -> list[tuple[Notification, Reason]]:
    """What may go, in the order in which one recipient should hear of it: new problems first, groups in turn."""
    if len(cleared) < 2:
        return cleared
    rows = {str(row.pk): (row, reason) for row, reason in cleared}
    served = AttemptPart.objects.filter(attempt__target=target_id, attempt__started_at__gte=since)
    order = fair_order(
        (
            Pending(key, group_of(row.alert), reason, Severity(row.alert.severity), row.due_at or since, row.sent)
            for key, (row, reason) in rows.items()
        ),
        [group_of(part.notification.alert) for part in served.select_related("notification__alert").order_by("pk")],
    )
    return [rows[pending.key] for pending in order]


def group_of(alert: Alert) -> str:
    """What has to share a recipient's slots fairly: alerts of one kind must not keep another kind waiting."""
    return f"{alert.category} {alert.event_type or alert.source}"


def due_digest(target_id: int, now: datetime) -> Digest | None:
    due = Digest.objects.filter(target=target_id, due_at__lte=now, sending__isnull=True)
    return due.select_related("target").order_by("ends_at").first()


def history(target_id: int, since: datetime) -> list[datetime]:
    """When messages went, or may have gone, to a target."""
    sent = Attempt.objects.filter(target=target_id, started_at__gte=since, result__in=_COUNTED)
    return list(sent.exclude(reason=Reason.TEST).order_by("started_at").values_list("started_at", flat=True))


def spent(target_channel: str, since: datetime) -> tuple[int, int]:
    """Messages and parts (SMS segments) that went to a channel since then."""
    sent = Attempt.objects.filter(target__channel=target_channel, started_at__gte=since, result__in=_COUNTED)
    row = sent.aggregate(messages=Count("pk"), parts=Sum("parts"))
    return row["messages"] or 0, row["parts"] or 0


def last_uncertain(row: Notification | Digest) -> Attempt | None:
    """The try before this one, when nobody knows whether it was taken."""
    if row.tries == 0:
        return None
    tries = Attempt.objects.filter(
        Q(parts_told__notification=row) if isinstance(row, Notification) else Q(digest_of=row)
    )
    last = tries.order_by("-pk").first()
    if last is None or last.result != Result.UNCERTAIN.value:
        return None
    # Used again for others that were folded with this row: who asks for the reference would find their message.
    used_again = Attempt.objects.filter(reference=last.reference, pk__gt=last.pk).exists()
    return None if used_again else last


def rows_told(attempt: Attempt) -> set[int]:
    """The notifications that a try was about."""
    return set(attempt.parts_told.values_list("notification_id", flat=True))


def start(
    target: Target,
    token: str,
    reason: Reason,
    reference: str,
    text: str,
    now: datetime,
    *,
    parts: Sequence[Part] = (),
    digest: Digest | None = None,
) -> Attempt | None:
    """Write down what is about to be said; None when the target's lease is lost."""
    with transaction.atomic():
        if not targets.renew(target.pk, token, now):
            return None
        attempt = Attempt.objects.create(
            target=target,
            token=token,
            reference=reference,
            reason=reason,
            text=text,
            started_at=now,
            digest_of=digest,
        )
        AttemptPart.objects.bulk_create(
            AttemptPart(
                attempt=attempt,
                notification=part.row,
                reason=part.reason,
                from_seq=min(part.row.told_seq, part.to_seq),
                to_seq=part.to_seq,
                severity=part.severity,
            )
            for part in parts
        )
        Notification.objects.filter(pk__in=[part.row.pk for part in parts]).update(sending=attempt)
        if digest is not None:
            Digest.objects.filter(pk=digest.pk).update(sending=attempt)
    return attempt


def skip_digest(digest: Digest, why: str) -> None:
    """A digest with nothing to say, or nobody to say it to: its row says so."""
    Digest.objects.filter(pk=digest.pk, sending__isnull=True).update(due_at=None, outcome=why[:200])


def finish(
    attempt_id: int,
    outcome: Receipt | DeliveryError,
    policy: Policy,
    now: datetime,
    *,
    taken: Attempt | None = None,
) -> bool:
    """Write down what became of a try and when the target hears next, in one commit.

    `taken` is the try before this one when the provider says that it took that: nothing was sent now, and the target
    has heard what was said then. False when the try was settled by another worker meanwhile: its word stands, and ours
    is only logged.
    """
    with transaction.atomic():
        attempt = Attempt.objects.select_for_update(of=("self",)).select_related("digest_of").get(pk=attempt_id)
        if attempt.result != Result.SENDING.value:
            log.warning("attempt was settled before its answer came", attempt=attempt.reference, found=attempt.result)
            return False
        if taken is not None:
            _tell_as(attempt, taken)
        _write_outcome(attempt, outcome, now)
        rows = list(Notification.objects.filter(sending=attempt).order_by("alert_id").select_related("target"))
        parts = {part.notification_id: part for part in attempt.parts_told.all()}
        if isinstance(outcome, Receipt):
            for row in rows:
                _finish_told(row, parts[row.pk], outcome, policy, now)
        else:
            _finish_failed(rows, outcome, now)
        if attempt.digest_of is not None:
            _finish_digest(attempt.digest_of, outcome, now)
        if isinstance(outcome, DeliveryError):
            targets.failed(attempt.target_id, outcome, now)
    log.info("attempt finished", attempt=attempt.reference, result=attempt.result, code=attempt.code)
    return True


def lost(now: datetime) -> list[Attempt]:
    """Tries whose worker no longer holds the lease."""
    return list(
        Attempt.objects.filter(result=Result.SENDING.value, started_at__lt=now)
        .select_related("target")
        .filter(Q(target__lease_until__isnull=True) | Q(target__lease_until__lte=now) | ~Q(target__token=F("token")))
    )


def _write_outcome(attempt: Attempt, outcome: Receipt | DeliveryError, now: datetime) -> None:
    attempt.finished_at = now
    if isinstance(outcome, Receipt):
        attempt.result = Result.DELIVERED.value
        attempt.provider_id, attempt.parts = outcome.provider_id[:200], outcome.parts
        attempt.detail = redact(outcome.note, limit=400)
    else:
        attempt.result, attempt.code = outcome.result.value, outcome.code[:100]
        attempt.detail = redact(outcome.detail, limit=400)
    attempt.save(update_fields=["finished_at", "result", "code", "detail", "provider_id", "parts", "text"])


def _tell_as(attempt: Attempt, taken: Attempt) -> None:
    attempt.text = taken.text
    for part in taken.parts_told.all():
        attempt.parts_told.filter(notification=part.notification_id).update(
            to_seq=part.to_seq, reason=part.reason, severity=part.severity
        )


def _finish_told(row: Notification, part: AttemptPart, receipt: Receipt, policy: Policy, now: datetime) -> None:
    # The lock orders this against a failure that is being counted: one of the two sees the other and plans it.
    alert = Alert.objects.select_for_update().get(pk=row.alert_id)
    state, reason = state_of(alert), Reason(part.reason)
    row.sending = None
    row.window = timing.window_after(reason, told_of(row), state)
    row.told_seq, row.told_severity, row.told_at = part.to_seq, part.severity, now
    row.told_resolved = reason is Reason.RESOLVED
    row.sent += 1
    row.thread = row.thread or receipt.thread[:300]
    row.tries, row.trying_since, row.last_error, row.held_by, row.held_since = 0, None, "", "", None
    due = timing.next_due(told_of(row), state, policy.timing(row.route), now)
    row.due_at = due.at if due else None
    if due is None:
        unplanned(alert.pk)
    else:
        row.reason, row.urgency = due.reason.value, urgency(due.reason, state.subject.severity, row.sent)
    row.save()


def _finish_failed(rows: Sequence[Notification], error: DeliveryError, now: datetime) -> None:
    """What was one message is tried again as one."""
    for row in rows:
        row.sending = None
        row.tries += 1
        row.trying_since = row.trying_since or now
        row.last_error = f"{error.code}: {redact(error.detail, limit=300)}"[:500]
    tries = max((row.tries for row in rows), default=1)
    since = min((row.trying_since for row in rows if row.trying_since), default=now)
    again = next_try(error, tries, since, now)
    for row in rows:
        # Rejected stays due: the guards send it another way, also when this worker dies right here.
        row.due_at, row.rejected = again or now, again is None
        row.save()


def next_try(error: DeliveryError, tries: int, since: datetime, now: datetime) -> datetime | None:
    """When to send again, Retry-After honoured; None: never, another way must be found."""
    if error.result is Result.REJECTED:
        return None
    decision = backoff.decide(RETRIES, error=error, attempt=tries, age=(now - since).total_seconds())
    if decision.delay is None:
        return None
    return now + timedelta(seconds=max(decision.delay, error.retry_after or 0))


def _finish_digest(digest: Digest, outcome: Receipt | DeliveryError, now: datetime) -> None:
    digest.sending = None
    if isinstance(outcome, Receipt):
        digest.due_at, digest.sent_at, digest.outcome = None, now, "delivered"
    else:
        digest.tries += 1
        digest.outcome = f"{outcome.result}: {outcome.code}"[:200]
        digest.due_at = next_try(outcome, digest.tries, attempt_since(digest), now)
    digest.save()


def attempt_since(digest: Digest) -> datetime:
    """When the first try of a digest began."""
    first = digest.attempts.order_by("pk").first()
    return first.started_at if first else digest.ends_at
