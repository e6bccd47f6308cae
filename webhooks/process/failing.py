"""After a failed attempt: writes the failure and the next attempt, then sends webhook_processing_error."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial

from django.db import connection

from alerts_runtime.failures.judging import Judgement
from alerts_runtime.isolation import later
from alerts_runtime.leasing import clock
from webhooks.conf import config
from webhooks.models import Failure, WebhookEvent
from webhooks.process import announcements, retry, settle
from webhooks.process.attempt import Attempt, Result
from webhooks.process.errors import ErrorFacts, describe, judgement_of
from webhooks.process.own_lock import is_own_lock


def failed(attempt: Attempt, error: BaseException) -> Result:
    """Write the failure and announce it; called after the rollback. What cannot be written now is written later."""
    row, now = attempt.row, clock.now()
    judgement = judgement_of(error, own_lock=attempt.writes and not attempt.committed and is_own_lock(error))
    facts = describe(error, attempt.duration_ms(), judgement)
    record: Callable[[], Failure | None]
    if attempt.committed:
        when, record = " after its commit", partial(settle.note, row, facts, attempt.callbacks.left(), now)
    else:
        when, record = "", partial(settle.fail, attempt, facts, _plan(row, error, judgement, now), now)
    try:
        if connection.errors_occurred:  # without one there is no need for the round trip
            connection.close_if_unusable_or_obsolete()
        failure = record()
    except Exception:  # whatever the database says
        attempt.log.critical("event.failure_not_recorded", error=facts.exception, message=facts.message, exc_info=True)
        what = f"{row.type} {row.event_id} failed{when}: {facts.exception}"
        later.write(row.event_id, what, lambda: _tell(attempt, record(), error, facts))
        return Result.PROCESSED if attempt.committed else Result.UNKNOWN
    return _tell(attempt, failure, error, facts)


def _tell(attempt: Attempt, failure: Failure | None, error: BaseException, facts: ErrorFacts) -> Result:
    if failure is None:
        attempt.log.warning("event.lease_lost", error=facts.exception, duration_ms=facts.duration_ms)
        return Result.BUSY
    attempt.log.error(
        "event.failed_after_commit" if failure.after_commit else "event.failed" if failure.will_retry else "event.dead",
        error=facts.exception,
        where=f"{failure.file}:{failure.line} {failure.function}",
        not_run=failure.callbacks.splitlines(),
        next_attempt_at=failure.next_attempt_at,
        duration_ms=facts.duration_ms,
    )
    announcements.announce(failure, error)  # it reads the event from the row: handlers may have changed theirs
    return Result.PROCESSED if failure.after_commit else Result.FAILED


def _plan(row: WebhookEvent, error: BaseException, judgement: Judgement, now: datetime) -> retry.Plan:
    if config().is_inline(row.endpoint):
        return retry.plan_inline(last_try_at=row.armed_at + retry.INLINE_PATIENCE, now=now)
    return retry.plan(error, attempt=row.attempt, now=now, limits=config().retry, judgement=judgement)
