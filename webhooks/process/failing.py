"""When an attempt failed: rollback; the failure and the next attempt are committed; then processing_error is sent."""

from __future__ import annotations

from datetime import datetime

from django.db import Error as AnyDatabaseError
from django.db import connection
from django.utils import timezone

from alerts_runtime.failures.judging import Judgement
from alerts_runtime.isolation import later
from webhooks.conf import config
from webhooks.models import Failure, WebhookEvent
from webhooks.process import announcements, retry, settle
from webhooks.process.attempt import Attempt, Result
from webhooks.process.errors import ErrorFacts, describe, judgement_of
from webhooks.process.own_lock import is_own_lock


def failed(attempt: Attempt, error: BaseException) -> Result:
    """Write it down and tell of it."""
    row, now = attempt.row, timezone.now()
    judgement = judgement_of(error, own_lock=attempt.writes and not attempt.committed and is_own_lock(error))
    facts = describe(error, attempt.duration_ms(), judgement)
    if attempt.committed:
        _failed_after_commit(attempt, error, facts, now)
        return Result.PROCESSED
    try:
        if connection.errors_occurred:  # else it costs a round trip
            connection.close_if_unusable_or_obsolete()
        failure = settle.fail(attempt, facts, _plan(row, error, judgement, now), now)
    except AnyDatabaseError:
        # Nothing is lost: the lease runs out, and that is a failure too.
        attempt.log.exception("event.failure_not_recorded", error=facts.exception, duration_ms=attempt.duration_ms())
        return Result.UNKNOWN
    if failure is None:
        attempt.log.warning("event.lease_lost", error=facts.exception, duration_ms=attempt.duration_ms())
        return Result.BUSY
    attempt.log.error(
        "event.failed" if failure.will_retry else "event.dead",
        error=facts.exception,
        where=f"{failure.file}:{failure.line} {failure.function}",
        next_attempt_at=failure.next_attempt_at,
        duration_ms=facts.duration_ms,
    )
    announcements.announce(failure, error)  # which reads the event anew: handlers may have changed it
    return Result.FAILED


def _failed_after_commit(attempt: Attempt, error: BaseException, facts: ErrorFacts, now: datetime) -> None:
    """Nothing else remembers it, since the event is processed: so it is written until it is written."""
    row, left = attempt.row, attempt.callbacks.left()

    def record() -> Failure:
        return settle.note(row, facts, left, now)

    where = f"{facts.where.file}:{facts.where.line} {facts.where.function}"
    attempt.log.error("event.failed_after_commit", error=facts.exception, where=where, not_run=left)
    try:
        if connection.errors_occurred:
            connection.close_if_unusable_or_obsolete()
        failure = record()
    except Exception:  # whatever the database says
        attempt.log.critical("event.failure_not_recorded", error=facts.exception, message=facts.message, exc_info=True)
        what = f"{row.type} {row.event_id} failed after its commit: {facts.exception}"
        later.write(row.event_id, what, lambda: announcements.announce(record(), error))
    else:
        announcements.announce(failure, error)


def _plan(row: WebhookEvent, error: BaseException, judgement: Judgement, now: datetime) -> retry.Plan:
    if config().is_inline(row.endpoint):
        return retry.plan_inline(last_try_at=row.armed_at + retry.INLINE_PATIENCE, now=now)
    return retry.plan(error, attempt=row.attempt, now=now, limits=config().retry, judgement=judgement)
