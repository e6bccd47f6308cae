"""One event, from its claim to its outcome. Read from top to bottom.

claim -> handlers outside the transaction -> transaction: pre_process, handlers, post_process, processed, next claim
      -> or rollback; the failure and the next attempt are committed; then processing_error is sent
"""

from __future__ import annotations

import time
from datetime import datetime
from enum import StrEnum

import structlog
from django.db import Error as AnyDatabaseError
from django.db import connection, transaction
from django.utils import timezone

from core import later, wake
from core.failures.judging import Judgement
from webhooks import announcements, events, inbox, retry, signals
from webhooks.callbacks import Callbacks
from webhooks.conf import config
from webhooks.errors import ErrorFacts, describe, judgement_of
from webhooks.events import StripeEvent
from webhooks.exceptions import LeaseLost
from webhooks.handlers import Handler, matching
from webhooks.inbox import Claimed
from webhooks.leases import held
from webhooks.models import Failure, WebhookEvent
from webhooks.own_lock import is_own_lock

logger = structlog.stdlib.get_logger(__name__)
LONG_LOCK = 1.0  # seconds for which a handler may keep everybody else from SQLite's one writer


class Result(StrEnum):
    PROCESSED = "processed"
    FAILED = "failed"
    BUSY = "busy"  # somebody else has it
    UNKNOWN = "unknown"  # nothing could be written: the lease will run out


def process_due(until: float = 0.0) -> bool:
    """The worker's step: process what is due, the longest due first, until this time (monotonic) but at least one.

    What ends well takes the next one in the same commit. False: nothing was due.
    """
    claimed = inbox.claim(timezone.now())
    found = claimed is not None
    while claimed is not None:
        if claimed.more:
            wake.wake_here("events", only_idle=True)
        work = _Work(claimed, until)
        _process(work)
        if work.committed:
            claimed = work.next
        else:
            claimed = inbox.claim(timezone.now()) if claimed.more and time.monotonic() < until else None
    return found


def process_inline(pk: int, now: datetime) -> Result:
    """Process this event in the request that delivered it."""
    for lost in inbox.expire_inline(pk, now):
        announcements.worker_lost(*lost)
    if claimed := inbox.claim_inline(pk, now):
        return process(claimed)
    done = WebhookEvent.objects.filter(pk=pk, state__in=[inbox.PROCESSED, inbox.INCOMPLETE]).exists()
    return Result.PROCESSED if done else Result.BUSY


def process(claimed: Claimed) -> Result:
    return _process(_Work(claimed))


def _process(work: _Work) -> Result:
    row = work.row
    with held.hold(work.claimed.token, row.event_id):
        try:
            work.event = event = events.parse(row.body, row.endpoint)
            handlers = matching(row.type)
            _run_outside(event, handlers)
            _run_inside(work, event, handlers)
        except LeaseLost:
            work.log.warning("event.lease_lost", duration_ms=work.duration_ms())
            return Result.BUSY
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - SystemExit in a handler is its failure, not the worker's end
            return _failed(work, error)
    work.log.info("event.processed", how=row.how_processed, handlers=len(handlers), duration_ms=work.duration_ms())
    return Result.PROCESSED


class _Work:
    """One attempt: how long it has run, whether it has been committed and with which claim, and its logger."""

    def __init__(self, claimed: Claimed, until: float = 0.0) -> None:
        self.claimed = claimed
        self.row = row = claimed.row
        self.event: StripeEvent | None = None
        self.committed = False
        self.locked = False  # its transaction has begun to write
        self.next: Claimed | None = None  # ours once this attempt is committed
        self.callbacks = Callbacks()
        self._until = until
        self.log = logger.bind(event_id=row.event_id, type=row.type, attempt=row.attempt, endpoint=row.endpoint)
        self._started = time.monotonic()

    def duration_ms(self) -> int:
        return round((time.monotonic() - self._started) * 1000)

    def set_committed(self) -> None:
        self.committed = True

    def claim_next(self) -> None:
        if time.monotonic() < self._until:
            self.next = inbox.claim(timezone.now())


def _run_outside(event: StripeEvent, handlers: tuple[Handler, ...]) -> None:
    """At least once: when a later handler fails, the next attempt runs these again."""
    for handler in handlers:
        if not handler.atomic:
            handler.function(event)


def _run_inside(work: _Work, event: StripeEvent, handlers: tuple[Handler, ...]) -> None:
    """Exactly once, as far as it is in this database: it commits together with the event's state."""
    arguments = {"sender": WebhookEvent, "instance": work.row, "event": event}
    atomic_handlers = [handler for handler in handlers if handler.atomic]
    with transaction.atomic(durable=True):
        transaction.on_commit(work.set_committed)
        if not inbox.confirm(work.claimed):
            raise LeaseLost
        locked_at, work.locked = time.monotonic(), True
        signals.webhook_pre_process.send(**arguments)
        for handler in atomic_handlers:
            handler.function(event)
        signals.webhook_post_process.send(**arguments)
        if not inbox.finish(work.claimed, timezone.now()):
            raise LeaseLost
        work.claim_next()
        work.callbacks.watch(work.set_committed)
    _warn_of_long_lock(work, atomic_handlers, time.monotonic() - locked_at)


def _warn_of_long_lock(work: _Work, handlers: list[Handler], seconds: float) -> None:
    if connection.vendor == "sqlite" and handlers and seconds > LONG_LOCK:
        work.log.warning(
            "event.held_the_database",
            handlers=[handler.name for handler in handlers],
            duration_ms=round(seconds * 1000),
            hint="Nobody else could write meanwhile. Handlers that call the network: @on(..., atomic=False).",
        )


# --- When it failed -----------------------------------------------------------------------------------------------


def _failed(work: _Work, error: BaseException) -> Result:
    row, now = work.row, timezone.now()
    judgement = judgement_of(error, own_lock=work.locked and not work.committed and is_own_lock(error))
    facts = describe(error, work.duration_ms(), judgement)
    if work.committed:
        _failed_after_commit(work, error, facts, now)
        return Result.PROCESSED
    try:
        if connection.errors_occurred:  # else it costs a round trip
            connection.close_if_unusable_or_obsolete()
        failure = inbox.fail(work.claimed, facts, _plan(row, error, judgement, now), now)
    except AnyDatabaseError:
        # Nothing is lost: the lease runs out, and that is a failure too.
        work.log.exception("event.failure_not_recorded", error=facts.exception, duration_ms=work.duration_ms())
        return Result.UNKNOWN
    if failure is None:
        work.log.warning("event.lease_lost", error=facts.exception, duration_ms=work.duration_ms())
        return Result.BUSY
    work.log.error(
        "event.failed" if failure.will_retry else "event.dead",
        error=facts.exception,
        where=f"{failure.file}:{failure.line} {failure.function}",
        next_attempt_at=failure.next_attempt_at,
        duration_ms=facts.duration_ms,
    )
    announcements.announce(failure, error, work.event)
    return Result.FAILED


def _failed_after_commit(work: _Work, error: BaseException, facts: ErrorFacts, now: datetime) -> None:
    """Nothing else remembers it, since the event is processed: so it is written until it is written."""
    row, event, left = work.row, work.event, work.callbacks.left()

    def record() -> Failure:
        return inbox.note(row, facts, left, now)

    where = f"{facts.where.file}:{facts.where.line} {facts.where.function}"
    work.log.error("event.failed_after_commit", error=facts.exception, where=where, not_run=left)
    try:
        if connection.errors_occurred:
            connection.close_if_unusable_or_obsolete()
        failure = record()
    except Exception:  # whatever the database says
        work.log.critical("event.failure_not_recorded", error=facts.exception, message=facts.message, exc_info=True)
        what = f"{row.type} {row.event_id} failed after its commit: {facts.exception}"
        later.write(row.event_id, what, lambda: announcements.announce(record(), error, event))
    else:
        announcements.announce(failure, error, event)


def _plan(row: WebhookEvent, error: BaseException, judgement: Judgement, now: datetime) -> retry.Plan:
    if config().is_inline(row.endpoint):
        return retry.plan_inline(last_try_at=row.armed_at + inbox.INLINE_PATIENCE, now=now)
    return retry.plan(error, attempt=row.attempt, now=now, limits=config().retry, judgement=judgement)
