"""Write down what became of tries, and when their targets hear next, in one commit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from itertools import takewhile

from django.db import connection, transaction
from django.db.models import F

from alerts_runtime.database import fast_sql
from alerts_runtime.database.fast_sql import columns, places, select
from alerts_runtime.redaction.loggers import get_logger
from alerts_runtime.redaction.redact import redact
from notifier.facts import DeliveryError, Receipt, Result
from notifier.judge.policy import Policy
from notifier.models import Alert, Attempt, AttemptPart, Notification, Target
from notifier.outbox import after_try, set_aside, targets, unwritten
from notifier.outbox.digests import finish_digest
from notifier.outbox.plans import has_plan_for_news, unplanned
from notifier.outbox.stand_ins import revive

log = get_logger(__name__)

_ENOUGH = 8  # failures in a row, after which the pause grows no more


@dataclass(frozen=True, slots=True)
class Ended:
    """The outcome of a send attempt.

    `taken` is the earlier attempt of the same message if the provider says that it did accept that one. Then nothing
    was sent this time, and the target was told what the earlier attempt said.
    """

    attempt_id: int
    outcome: Receipt | DeliveryError
    taken: Attempt | None = None


def finish(ended: Sequence[Ended], policy: Policy, now: datetime) -> int:
    """Store the outcomes of attempts and when their targets hear next, in one commit; how many were still open.

    An attempt that another worker has settled meanwhile stays as it is, and its outcome here is only logged. When the
    commit fails, each is stored by itself. One that still cannot be is reduced to the minimum (unwritten.settle): what
    was sent is not sent again, and what was not sent is tried again. Raises when not even that can be stored, after
    the others have been: then the database cannot be reached.
    """
    try:
        return _finish(ended, policy, now)
    except Exception:
        log.exception("delivery.outcomes_not_written", count=len(ended))
    if len(ended) == 1:
        try:
            return _finish(ended, policy, now)  # once more: a deadlock or a lock timeout is over by now
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
        attempts = _locked([one.attempt_id for one in ended])
        still = [(attempts[one.attempt_id], one) for one in ended if _is_open(attempts.get(one.attempt_id))]
        for attempt, one in still:
            if one.taken is not None:
                _tell_as(attempt, one.taken)
            _set_outcome(attempt, one.outcome, now)
        fast_sql.update([attempt for attempt, _ in still], *_OUTCOME)
        _finish_rows(still, policy, now)
        for attempt, one in still:
            if attempt.digest_of is not None:
                finish_digest(attempt.digest_of, one.outcome, now)
            if isinstance(one.outcome, DeliveryError):
                targets.failed(attempt.target_id, one.outcome, _failed_in_a_row(attempt.target_id), now)
        reached = [attempt for attempt, one in still if isinstance(one.outcome, Receipt)]
        if failing := [attempt.target_id for attempt in reached if attempt.target.is_failing]:
            targets.arrived(failing, now)
        for attempt in reached:
            _revive(attempt, now)
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


def _locked(attempt_ids: Sequence[int]) -> dict[int, Attempt]:
    """The attempts by id, locked and with their targets."""
    found: dict[int, Attempt] = {}
    sql = _tries(len(attempt_ids), connection.vendor)
    for attempt, attempt.target in select([Attempt, Target], sql, attempt_ids):
        found[attempt.pk] = attempt
    return found


# Written as SQL: building these two queries with the ORM took a third of the time of `finish`.
@cache
def _tries(number: int, vendor: str) -> str:
    return f"""
        SELECT {columns(Attempt)}, {columns(Target)}
        FROM swa_notifier_attempt JOIN swa_notifier_target ON swa_notifier_target.id = target_id
        WHERE swa_notifier_attempt.id IN ({places(number)}) ORDER BY swa_notifier_attempt.id
        {"FOR UPDATE OF swa_notifier_attempt" if vendor == "postgresql" else ""}
    """  # noqa: S608 - the models' own names


# The alert is locked first, as where a failure is counted and where a delivery report takes back what was told. So of
# two such transactions the later one sees what the earlier one wrote.
@cache
def _rows_of(tries: int, vendor: str) -> str:
    return f"""
        SELECT {columns(Notification)}, {columns(Alert)}, {columns(AttemptPart)}
        FROM swa_notifier_notification JOIN swa_notifier_alert ON swa_notifier_alert.id = alert_id
        LEFT JOIN swa_notifier_attemptpart ON notification_id = swa_notifier_notification.id AND attempt_id = sending_id
        WHERE sending_id IN ({places(tries)}) ORDER BY alert_id
        {"FOR UPDATE OF swa_notifier_alert, swa_notifier_notification" if vendor == "postgresql" else ""}
    """  # noqa: S608 - the models' own names


def _revive(attempt: Attempt, now: datetime) -> None:
    """Use a target again that was set aside, if this message was begun after that and the provider accepted it."""
    dead_since = attempt.target.dead_since
    if dead_since is None or attempt.started_at < dead_since:
        return
    if not set_aside.was_reported(attempt.target):
        revive(attempt.target, now)


def _is_open(attempt: Attempt | None) -> bool:
    if attempt is None:
        return False  # it has been pruned
    if attempt.result != Result.SENDING.value:
        log.warning("delivery.finished_late", reference=attempt.reference, result=attempt.result)
        return False
    return True


def _finish_rows(still: Sequence[tuple[Attempt, Ended]], policy: Policy, now: datetime) -> None:
    if not still:
        return
    asked = [attempt.pk for attempt, _ in still]
    rows: dict[int, list[Notification]] = defaultdict(list)
    parts: dict[int, AttemptPart] = {}
    sql = _rows_of(len(asked), connection.vendor)
    for row, row.alert, part in select([Notification, Alert, AttemptPart], sql, asked):
        rows[row.sending_id].append(row)
        parts[row.pk] = part
    for attempt, one in still:
        if isinstance(one.outcome, Receipt):
            for row in rows[attempt.pk]:
                after_try.set_told(row, parts[row.pk], one.outcome, policy, now)
                row.listed |= len(rows[attempt.pk]) > 1
        else:
            after_try.set_failed(rows[attempt.pk], one.outcome, attempt.target, policy, now)
    finished = [row for some in rows.values() for row in some]
    unplanned(row.alert_id for row in finished if row.alert.planned_for and not has_plan_for_news(row))
    fast_sql.update(finished, *_AFTER)


def lost() -> list[Attempt]:
    """The open attempts whose worker no longer holds the lease of the target."""
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
    """How many of a target's latest attempts in a row ended as RETRY or UNCERTAIN, up to _ENOUGH."""
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
    "thread", "listed", "tries", "trying_since", "last_error", "held_by", "held_ref", "held_since", "due_at", "reason",
    "urgency", "rejected",
)  # fmt: skip
