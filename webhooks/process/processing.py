"""One event, from its claim to its outcome. Read from top to bottom.

claim -> handlers outside the transaction -> transaction: pre_process, handlers, post_process, processed, next claim
      -> or rollback; the failure and the next attempt are committed; then processing_error is sent
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from typing import Any

import structlog
from django.db import Error as AnyDatabaseError
from django.db import connection, transaction
from django.db.transaction import TransactionManagementError
from django.utils import timezone

from alerts_runtime.failures.judging import Judgement
from alerts_runtime.isolation import later, threads
from alerts_runtime.wakeups import wake
from webhooks import events, signals
from webhooks.conf import config
from webhooks.events import StripeEvent
from webhooks.exceptions import LeaseLost, NotRun
from webhooks.handlers import Handler, matching, not_run, run
from webhooks.models import Failure, WebhookEvent
from webhooks.process import announcements, inbox, retry, timeouts
from webhooks.process.callbacks import Callbacks
from webhooks.process.errors import ErrorFacts, class_path, describe, judgement_of
from webhooks.process.inbox import Claimed
from webhooks.process.leases import held
from webhooks.process.leftovers import Sessions, begun, in_its_own_context, sessions
from webhooks.process.own_lock import is_own_lock

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
        if threads.is_written_off():
            if work.next:
                inbox.hand_back([work.next.token], timezone.now())
            return False
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
    timeouts.watch()
    with held.hold(work.claimed.token, work.time_out):
        return in_its_own_context(lambda: _attempt(work))


def _attempt(work: _Work) -> Result:
    row = work.row
    try:
        handlers = matching(row.type)
        with sessions() as work.sessions:
            work.event = event = events.parse(row.body, row.endpoint)
            _run_outside(work, event, handlers)
            _run_inside(work, event, handlers)
    except LeaseLost:
        work.log.warning("event.lease_lost", duration_ms=work.duration_ms())
        return Result.BUSY
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - SystemExit in a handler is its failure, not the worker's end
        if work.timed_out:
            work.log.warning("event.came_back_late", error=class_path(type(error)), duration_ms=work.duration_ms())
            return Result.BUSY
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
        self.sessions: Sessions | None = None  # while handlers run
        self.timed_out = False  # what its thread still says of it counts no more
        self._until = until
        self.log = logger.bind(event_id=row.event_id, type=row.type, attempt=row.attempt, endpoint=row.endpoint)
        self._started = time.monotonic()

    def duration_ms(self) -> int:
        return round((time.monotonic() - self._started) * 1000)

    def time_out(self, thread: threading.Thread) -> None:
        """It has run for longer than HANDLER_TIMEOUT in this thread; called in another one."""
        error = timeouts.where_it_is(thread, __name__)
        facts = describe(error)
        error.args = (f"timed out after {self.duration_ms() // 1000} s in {facts.where.file}:{facts.where.line}",)
        self.log.critical("event.handler_timed_out", thread=thread.name, error=str(error), stack=facts.stack)
        self.timed_out = True
        if self.sessions:
            self.sessions.refuse()
            timeouts.cut(self.sessions.connections, thread, lambda: self.sessions is not None and self.sessions.over)
        try:
            _failed(self, error)
        finally:
            error.__traceback__ = None  # it holds all that the handler has in its variables

    def set_committed(self) -> None:
        self.committed = True

    def claim_next(self) -> None:
        if time.monotonic() < self._until:
            self.next = inbox.claim(timezone.now())


def _run_outside(work: _Work, event: StripeEvent, handlers: tuple[Handler, ...]) -> None:
    """At least once: when a later handler fails, the next attempt runs these again."""
    for handler in handlers:
        if not handler.atomic:
            run(handler, _own(event, work.row, handlers))
            if work.sessions and work.sessions.in_transaction(connection):
                raise TransactionManagementError(
                    f"{handler.name} left a transaction open, or autocommit off. Use `with transaction.atomic():`."
                )


def _run_inside(work: _Work, event: StripeEvent, handlers: tuple[Handler, ...]) -> None:
    """Exactly once, as far as it is in this database: it commits together with the event's state."""
    with transaction.atomic(durable=True):
        transaction.on_commit(work.set_committed)
        if not inbox.confirm(work.claimed):
            raise LeaseLost
        locked_at, work.locked = time.monotonic(), True
        run_in_transaction(work.row, event, handlers)
        if not inbox.finish(work.claimed, timezone.now()):
            raise LeaseLost
        work.claim_next()
        work.callbacks.watch(work.set_committed)
    atomic_handlers = [handler for handler in handlers if handler.atomic]
    _warn_of_long_lock(work, atomic_handlers, time.monotonic() - locked_at)


def run_in_transaction(row: WebhookEvent, event: StripeEvent, handlers: tuple[Handler, ...]) -> None:
    """Receivers and atomic handlers, within the caller's transaction."""
    arguments = {"sender": WebhookEvent, "instance": row, "event": event, "api_key": None}
    _require_done(signals.webhook_pre_process.send(**arguments))
    for handler in handlers:
        if handler.atomic:
            run(handler, _own(event, row, handlers))
            _require_transaction(handler.name)
    _require_done(signals.webhook_post_process.send(**arguments))


def _own(event: StripeEvent, row: WebhookEvent, handlers: tuple[Handler, ...]) -> StripeEvent:
    """The event with a payload that no other handler changes."""
    if len(handlers) == 1:
        return event
    return replace(event, payload=events.parse(row.body, event.endpoint).payload)


def _require_done(responses: Sequence[tuple[Any, object]]) -> None:
    for receiver, response in responses:
        if response is not None and (reason := not_run(response)):
            raise NotRun(f"The receiver {getattr(receiver, '__qualname__', receiver)} {reason}")


def _require_transaction(name: str) -> None:
    """Whoever ended or broke the transaction is named, before what comes next fails for it."""
    if connection.needs_rollback:
        raise TransactionManagementError(
            f"{name} broke the transaction and went on: a database error was caught inside it, or set_rollback(True) "
            "was called. Catch such errors outside a transaction.atomic() of their own."
        )
    if begun(connection) is False:
        raise TransactionManagementError(
            f"{name} ended the transaction by hand (COMMIT or ROLLBACK): what it wrote before may be there or not. "
            "Raise an exception to undo it, and leave the rest to the transaction."
        )


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
    announcements.announce(failure, error)  # which reads the event anew: handlers may have changed it
    return Result.FAILED


def _failed_after_commit(work: _Work, error: BaseException, facts: ErrorFacts, now: datetime) -> None:
    """Nothing else remembers it, since the event is processed: so it is written until it is written."""
    row, left = work.row, work.callbacks.left()

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
        later.write(row.event_id, what, lambda: announcements.announce(record(), error))
    else:
        announcements.announce(failure, error)


def _plan(row: WebhookEvent, error: BaseException, judgement: Judgement, now: datetime) -> retry.Plan:
    if config().is_inline(row.endpoint):
        return retry.plan_inline(last_try_at=row.armed_at + retry.INLINE_PATIENCE, now=now)
    return retry.plan(error, attempt=row.attempt, now=now, limits=config().retry, judgement=judgement)
