"""What is being told: the sending half of the outbox. Claim with a lease and a token, try, write down the outcome.

Claim, attempt, finish: each is its own commit, so that whatever dies leaves a row that says how far it came.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from itertools import takewhile
from typing import Any

from django.db import connection, transaction
from django.db.models import Count, Exists, F, Max, Min, OuterRef, Q, Sum

from alerts_runtime.database import fast_sql
from alerts_runtime.database.fast_sql import columns, select
from alerts_runtime.database.retention import delete_some
from alerts_runtime.isolation import backoff
from alerts_runtime.redaction.loggers import get_logger
from alerts_runtime.redaction.redact import redact
from notifier.facts import DeliveryError, Reason, Receipt, Result, Severity
from notifier.judge import guards, timing
from notifier.judge.policy import Policy
from notifier.judge.throttle import Pending, fair_order
from notifier.models import Alert, Attempt, AttemptPart, Digest, Notification, Target
from notifier.outbox import digest_trouble, targets, unwritten
from notifier.outbox.plans import DIVERTED, has_plan_for_news, next_for, revive, unplanned, urgency

log = get_logger(__name__)

# By age alone: as many tries as fit into three days, five minutes apart. So late is a message at most when its provider
# is back. How often one that is away is tried, its target's pause decides.
RETRIES = backoff.policy(attempts=1000, max_age=timedelta(days=3).total_seconds(), longest=300)
_NOT_TAKEN = (Result.RETRY.value, Result.REJECTED.value)
_ENOUGH = 8  # failures in a row, after which the pause grows no more
_COUNTED = (Result.SENDING.value, Result.DELIVERED.value, Result.UNCERTAIN.value)


@dataclass(frozen=True, slots=True)
class Part:
    """What one notification contributes to a message."""

    row: Notification
    reason: Reason
    to_seq: int
    severity: Severity


def due_rows(target: Target, now: datetime, limit: int, *, in_turn: bool) -> list[Notification]:
    """What is due for a target, the most urgent first; a few more if they are to take turns."""
    rows: list[Notification] = []
    for row, row.alert in select([Notification, Alert], _due(), {"target": target.pk, "now": _at(now), "limit": limit}):
        rows.append(row)
    due = Notification.objects.filter(target=target, due_at__lte=now, sending__isnull=True)
    if in_turn and len(rows) == limit:
        # So many wait that the oldest of another kind may be out of sight: one of each kind joins, so that all can
        # take turns.
        kinds = due.exclude(pk__in=[row.pk for row in rows]).values(
            "alert__category", "alert__event_type", "alert__source"
        )
        firsts = [kind["first"] for kind in kinds.annotate(first=Min("pk")).order_by("first")[:limit]]
        rows += due.filter(pk__in=firsts).select_related("alert")
    for row in rows:
        row.target = target
    return rows


# By hand: the ORM takes longer to build this than all the rest of a message takes.
@cache
def _due() -> str:
    return f"""
        SELECT {columns(Notification)}, {columns(Alert)}
        FROM swa_notifier_notification JOIN swa_notifier_alert ON swa_notifier_alert.id = alert_id
        WHERE target_id = %(target)s AND due_at <= %(now)s AND sending_id IS NULL
        ORDER BY urgency, due_at LIMIT %(limit)s
    """  # noqa: S608 - the models' own names


def overdue_rows(target: Target, now: datetime, failover_after: timedelta, limit: int) -> list[Notification]:
    """What could not be told for so long that others have to hear of it, while nothing may be sent to the target."""
    asked = {"target": target.pk, "now": _at(now), "limit": limit}
    rows = select([Notification, Alert], _overdue(), asked | {"overdue": _at(targets.before(now, failover_after))})
    for row, row.alert in rows:
        row.target = target
    return [row for row, _ in rows]


@cache
def _overdue() -> str:
    return f"""
        SELECT {columns(Notification, "n")}, {columns(Alert)}
        FROM swa_notifier_notification n JOIN swa_notifier_alert ON swa_notifier_alert.id = n.alert_id
        JOIN swa_notifier_target ON swa_notifier_target.id = n.target_id
        WHERE n.target_id = %(target)s AND {targets.OVERDUE} ORDER BY n.urgency, n.due_at LIMIT %(limit)s
    """  # noqa: S608 - the models' own names


def _at(moment: datetime) -> Any:
    return connection.ops.adapt_datetimefield_value(moment)


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


def sent_since(target_id: int, since: datetime) -> list[tuple[datetime, str]]:
    """When messages went, or may have gone, to a target, and for which reason.

    Tries of one message of which nobody knows bear one reference: they are one message, of the last of them.
    """
    sent = Attempt.objects.filter(target=target_id, started_at__gte=since, result__in=_COUNTED)
    tries = sent.exclude(reason=Reason.TEST).order_by("started_at").values_list("reference", "started_at", "reason")
    return sorted({reference: (at, reason) for reference, at, reason in tries}.values())


def spent(target_channel: str, since: datetime) -> tuple[int, int]:
    """Messages and parts (SMS segments) that went to a channel since then; several tries of one are one."""
    sent = Attempt.objects.filter(target__channel=target_channel, started_at__gte=since, result__in=_COUNTED)
    one_each = sent.order_by().values("reference").annotate(most=Max("parts"))
    row = one_each.aggregate(messages=Count("reference"), parts=Sum("most"))
    return row["messages"] or 0, row["parts"] or 0


def last_uncertain(row: Notification | Digest) -> Attempt | None:
    """The latest try of what is due that may have been taken, when nobody knows whether it was."""
    if row.tries == 0:
        return None
    tries = Attempt.objects.filter(
        Q(parts_told__notification=row) if isinstance(row, Notification) else Q(digest_of=row)
    )
    # A try that was certainly not taken, or that could not even ask, leaves the one before it as unknown as it was.
    last = tries.exclude(result__in=_NOT_TAKEN).order_by("-pk").first()
    if last is None or last.result != Result.UNCERTAIN.value:
        return None
    # Used again for others that were folded with this row: who asks for the reference would find their message.
    again = Attempt.objects.filter(reference=last.reference, pk__gt=last.pk).exclude(result__in=_NOT_TAKEN)
    return None if again.exists() else last


def any_thread(target: Target) -> str:
    """The channel's own handle of an earlier message to this target; empty when it had none."""
    threads = Notification.objects.filter(target=target).exclude(thread="").order_by("-pk")
    return threads.values_list("thread", flat=True).first() or ""


def rows_told(attempt: Attempt) -> set[int]:
    """The notifications that a try was about."""
    return set(attempt.parts_told.values_list("notification_id", flat=True))


@dataclass(frozen=True, slots=True)
class Try:
    """What is about to be said, and of what."""

    reason: Reason
    reference: str
    text: str
    parts: Sequence[Part] = ()
    digest: Digest | None = None


def start(target: Target, token: str, tries: Sequence[Try], now: datetime) -> list[Attempt]:
    """Write down what is about to be said, in one commit.

    Nothing when the target's lease is lost, or a row has changed since it was judged: then it is judged again.
    """
    with transaction.atomic():
        if not targets.confirm(target.pk, token):
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
                    # An answer is told before a page that it holds.
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
    """Mark the rows as being sent. False when any is no longer as it was when it was judged, or somebody has it now."""
    if not parts:
        return True
    with connection.cursor() as cursor:
        cursor.executemany(
            _TAKE,
            [
                (
                    attempt.pk,
                    part.row.pk,
                    _at(part.row.due_at),
                    part.row.reason,
                    part.row.told_seq,
                    guards.acknowledged not in guards.TABLE[part.reason],
                    _at(now),
                )
                for attempt, part in parts
                if part.row.due_at is not None
            ],
        )
        taken = cursor.rowcount
    for attempt, part in parts:
        part.row.sending = attempt
    return bool(taken == len(parts))


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


def skip_digest(digest: Digest, why: str) -> None:
    """A digest with nothing to say, or nobody to say it to: its row says so."""
    Digest.objects.filter(pk=digest.pk, sending__isnull=True).update(due_at=None, outcome=why[:200])


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of a try.

    `taken` is the try before it when the provider says that it took that: nothing was sent now, and the target has
    heard what was said then.
    """

    attempt_id: int
    outcome: Receipt | DeliveryError
    taken: Attempt | None = None


def finish(ended: Sequence[Ended], policy: Policy, now: datetime) -> int:
    """Write down what became of tries and when their targets hear next, in one commit; how many were still open.

    A try that was settled by another worker meanwhile stays as it is, and our word of it is only logged. When the
    commit fails each is written by itself, and the one that cannot be is settled by what must not be lost of it: what
    was sent is not sent again, and what was not is tried again. Raises when not even that can be written, after the
    others have been: the database is away.
    """
    try:
        return _finish(ended, policy, now)
    except Exception:
        log.exception("delivery.outcomes_not_written", count=len(ended))
    if len(ended) == 1:
        try:
            return _finish(ended, policy, now)  # a deadlock, or a lock that was waited for too long, is over
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not keep this try from its end
            return unwritten.settle(ended[0].attempt_id, ended[0].outcome, error, now)
    still, trouble = 0, None
    for one in ended:
        try:
            still += finish([one], policy, now)
        except Exception as error:  # noqa: BLE001 - raised below, when the others have been written
            trouble = error
    if trouble is not None:
        raise trouble
    return still


def _finish(ended: Sequence[Ended], policy: Policy, now: datetime) -> int:
    if not ended:
        return 0
    with transaction.atomic():
        locked = Attempt.objects.select_for_update(of=("self",)).select_related("target")
        locked = locked.filter(pk__in=[one.attempt_id for one in ended]).order_by("pk")
        attempts = {attempt.pk: attempt for attempt in locked}
        still = [(attempts[one.attempt_id], one) for one in ended if _is_open(attempts.get(one.attempt_id))]
        for attempt, one in still:
            if one.taken is not None:
                _tell_as(attempt, one.taken)
            _set_outcome(attempt, one.outcome, now)
        fast_sql.update([attempt for attempt, _ in still], *_OUTCOME)
        _finish_rows(still, policy, now)
        for attempt, one in still:
            if attempt.digest_of is not None:
                _finish_digest(attempt.digest_of, one.outcome, now)
            if isinstance(one.outcome, DeliveryError):
                targets.failed(attempt.target_id, one.outcome, _failed_in_a_row(attempt.target_id), now)
        if reached := [attempt.target_id for attempt, one in still if isinstance(one.outcome, Receipt)]:
            targets.arrived(reached, now)
            for attempt in attempts.values():
                _revive(attempt, reached, now)
    for attempt, one in still:
        _log_outcome(attempt, one.outcome)
    return len(still)


def _log_outcome(attempt: Attempt, outcome: Receipt | DeliveryError) -> None:
    channel = attempt.target.channel
    if isinstance(outcome, Receipt):
        log.info("delivery.sent", reference=attempt.reference, channel=channel)
    else:
        log.warning(
            "delivery.not_sent", reference=attempt.reference, channel=channel, result=attempt.result, code=attempt.code
        )


def _revive(attempt: Attempt, reached: Sequence[int], now: datetime) -> None:
    """A message that was begun after its target was set aside, and arrived, as far as an answer can say."""
    dead_since = attempt.target.dead_since
    if attempt.target_id not in reached or dead_since is None or attempt.started_at < dead_since:
        return
    if not targets.was_reported(attempt.target):
        revive(attempt.target, now)


def _is_open(attempt: Attempt | None) -> bool:
    if attempt is None:
        return False  # pruned
    if attempt.result != Result.SENDING.value:
        log.warning("delivery.finished_late", reference=attempt.reference, result=attempt.result)
        return False
    return True


def _finish_rows(still: Sequence[tuple[Attempt, Ended]], policy: Policy, now: datetime) -> None:
    attempts = [attempt for attempt, _ in still]
    rows: dict[int, list[Notification]] = defaultdict(list)
    # The locks, first of the alert, order this against a failure that is being counted and against a report that takes
    # back what was told: one of the two sees the other.
    locked = Notification.objects.select_for_update(of=("alert", "self")).select_related("alert")
    for row in locked.filter(sending__in=attempts).order_by("alert_id"):
        rows[row.sending_id or 0].append(row)
    parts = {(part.attempt_id, part.notification_id): part for part in AttemptPart.objects.filter(attempt__in=attempts)}
    for attempt, one in still:
        if isinstance(one.outcome, Receipt):
            for row in rows[attempt.pk]:
                _set_told(row, parts[attempt.pk, row.pk], one.outcome, policy, now)
                row.listed |= len(rows[attempt.pk]) > 1
        else:
            _set_failed(rows[attempt.pk], one.outcome, attempt.target, policy, now)
    finished = [row for some in rows.values() for row in some]
    unplanned(row.alert_id for row in finished if not has_plan_for_news(row))
    fast_sql.update(finished, *_AFTER)


def lost() -> list[Attempt]:
    """Tries whose worker no longer holds the lease."""
    under_way = Attempt.objects.filter(result=Result.SENDING.value).select_related("target")
    return list(under_way.exclude(target__token=F("token")))


_OUTCOME = ("finished_at", "result", "code", "detail", "provider_id", "parts", "text")


def _set_outcome(attempt: Attempt, outcome: Receipt | DeliveryError, now: datetime) -> None:
    attempt.finished_at = now
    if isinstance(outcome, Receipt):
        attempt.result = Result.DELIVERED.value
        attempt.provider_id, attempt.parts = outcome.provider_id, outcome.parts
        attempt.detail = redact(outcome.note, limit=400)
    else:
        attempt.result, attempt.code = outcome.result.value, outcome.code
        attempt.detail = redact(outcome.detail, limit=400)


def _failed_in_a_row(target_id: int) -> int:
    """How many of a target's latest tries the provider did not answer, or put off."""
    latest = Attempt.objects.filter(target=target_id).exclude(result=Result.SENDING.value).order_by("-pk")
    results = latest.values_list("result", flat=True)[:_ENOUGH]
    return len(list(takewhile(lambda result: result in (Result.RETRY.value, Result.UNCERTAIN.value), results)))


def _tell_as(attempt: Attempt, taken: Attempt) -> None:
    attempt.text = taken.text
    for part in taken.parts_told.all():
        attempt.parts_told.filter(notification=part.notification_id).update(
            to_seq=part.to_seq,
            reason=part.reason,
            severity=part.severity,
            answer=part.answer,
            level=part.level,
        )


_AFTER = (
    "sending", "window", "told_seq", "told_severity", "told_at", "told_resolved", "told_answer", "told_level", "sent",
    "thread", "listed", "tries", "trying_since", "last_error", "held_by", "held_since", "due_at", "reason", "urgency",
    "rejected",
)  # fmt: skip


def _set_told(row: Notification, part: AttemptPart, receipt: Receipt, policy: Policy, now: datetime) -> None:
    state, reason = row.alert.state, Reason(part.reason)
    row.sending = None
    row.window = timing.window_after(reason, row.told, state)
    row.told_seq, row.told_severity, row.told_at = part.to_seq, part.severity, now
    row.told_resolved = reason is Reason.RESOLVED
    row.told_answer = max(row.told_answer, part.answer)
    row.told_level = min(part.level, row.level)  # less when its steps have begun anew meanwhile
    row.sent += 1
    row.thread = receipt.thread or row.thread  # a new one: the first message could not be edited any more
    row.tries, row.trying_since, row.last_error, row.held_by, row.held_since = 0, None, "", "", None
    due = next_for(row, state, policy, now)
    row.due_at = due.at if due else None
    if due is not None:
        row.reason, row.urgency = due.reason.value, urgency(due.reason, state.subject.severity, row.sent)


def _set_failed(
    rows: Sequence[Notification], error: DeliveryError, target: Target, policy: Policy, now: datetime
) -> None:
    """What was one message is tried again as one, at the latest when others are to stand in."""
    failing = targets.is_failing(target)
    for row in rows:
        row.sending = None
        row.tries += 1
        # Behind others that fail it has waited since it was due.
        row.trying_since = row.trying_since or (min(row.due_at, now) if failing and row.due_at else now)
        row.last_error = f"{error.code}: {redact(error.detail, limit=300)}"[:500]
    tries = max((row.tries for row in rows), default=1)
    since = min((row.trying_since for row in rows if row.trying_since), default=now)
    again = next_try(error, tries, since, now)
    for row in rows:
        # Rejected stays due: the guards send it another way, also when this worker dies right here.
        row.due_at, row.rejected = again or now, again is None
    channel = policy.channels.get(target.channel)
    if again and channel is not None and not any(row.held_by.startswith(DIVERTED) for row in rows):
        for row in rows:
            row.due_at = max(now, since + min(again - since, channel.failover_after))


def next_try(error: DeliveryError, tries: int, since: datetime, now: datetime) -> datetime | None:
    """When to send again; None: never, another way must be found.

    For how long the provider asks to wait concerns all that goes to its target, which waits (see targets.failed).
    """
    if error.result is Result.REJECTED:
        return None
    decision = backoff.decide(RETRIES, error=error, attempt=tries, age=(now - since).total_seconds())
    return None if decision.delay is None else now + timedelta(seconds=decision.delay)


def _finish_digest(digest: Digest, outcome: Receipt | DeliveryError, now: datetime) -> None:
    digest.sending = None
    if isinstance(outcome, Receipt):
        digest.due_at, digest.sent_at, digest.outcome = None, now, "delivered"
    else:
        digest.tries += 1
        digest.outcome = f"{outcome.result}: {outcome.code}"[:200]
        digest.due_at = next_try(outcome, digest.tries, attempt_since(digest), now)
        if digest.due_at is None:
            digest_trouble.given_up(digest, digest.outcome)
    digest.save()


def prune(before: datetime) -> int:
    """Delete a batch of what was said of alerts that were over by then, or of older digests and tests; how many rows.

    What is still due stays, and the last digest of each name: the next one begins where it ends.
    """
    told = Notification.objects.filter(alert__resolved_at__lt=before, due_at__isnull=True, sending__isnull=True)
    later = Digest.objects.filter(name=OuterRef("name"), target=OuterRef("target"), ends_at__gt=OuterRef("ends_at"))
    digests = Digest.objects.filter(Exists(later), ends_at__lt=before, due_at__isnull=True, sending__isnull=True)
    tries = Attempt.objects.filter(parts_told__isnull=True, digest_of__isnull=True, started_at__lt=before)
    parts = AttemptPart.objects.filter(notification__in=told)
    return (
        delete_some(parts)
        or delete_some(told.filter(parts_told__isnull=True))
        or delete_some(digests)
        or delete_some(tries.exclude(result=Result.SENDING))
    )


def attempt_since(digest: Digest) -> datetime:
    """When the first try of a digest began."""
    first = digest.attempts.order_by("pk").first()
    return first.started_at if first else digest.ends_at
