"""Processes events that are due, one after the other. Read this first; it goes from top to bottom.

claim -> handlers outside the transaction -> transaction: pre_process, handlers, post_process, processed
      -> or rollback; the failure and the next attempt are committed; then processing_error is sent
"""

from __future__ import annotations

from datetime import datetime
from time import monotonic

from alerts_runtime.failures.foreign import is_interrupt
from alerts_runtime.isolation import threads
from alerts_runtime.leasing import clock
from alerts_runtime.wakeups import wake
from webhooks import events
from webhooks.exceptions import LeaseLost
from webhooks.handlers import matching
from webhooks.models import WebhookEvent
from webhooks.process import announcements, claim, failing, lost, run, timeouts
from webhooks.process.attempt import Attempt, Result, in_progress
from webhooks.process.errors import class_path
from webhooks.process.leftovers import in_its_own_context, sessions
from webhooks.process.ran import Ran

MOST = 10  # events in one claim
_DONE = [WebhookEvent.State.PROCESSED, WebhookEvent.State.INCOMPLETE, WebhookEvent.State.DROPPED]
_pace = 1.0  # seconds that the last event took in this process


def process_due(until: float = 0.0) -> bool:
    """Process events that are due, the longest due first: at least one, then more until the time `until`.

    `until` is of time.monotonic(). Returns whether any was due.
    """
    found, more = False, True
    while more:
        most, now = _room(until), clock.now()
        attempts = claim.claim(now, most)
        found = found or bool(attempts)
        more = len(attempts) == most and claim.is_any_due(now)
        if more:
            wake.wake_here("events", only_idle=True)
        _process_all(attempts)
        if threads.is_written_off():
            return False
        more = more and monotonic() < until
    return found


def _room(until: float) -> int:
    """How many events to claim at once: about as many as end by then, so that none waits behind slow ones."""
    return max(1, min(MOST, int((until - monotonic()) / max(_pace, 1e-4))))


def _process_all(attempts: list[Attempt]) -> None:
    global _pace
    try:
        for attempt in attempts:
            began = monotonic()
            process(attempt)
            _pace = monotonic() - began
            if threads.is_written_off():
                break
    finally:
        if left := in_progress.take(lambda one: one in attempts):
            claim.give_back(left)


def process_inline(pk: int, now: datetime) -> Result:
    """Process this event within the request that delivered it."""
    for died in lost.expire_inline(pk, now):
        announcements.worker_lost(*died)
    if attempt := claim.claim_inline(pk):
        return process(attempt)
    done = WebhookEvent.objects.filter(pk=pk, state__in=_DONE).exists()
    return Result.PROCESSED if done else Result.BUSY


def process(attempt: Attempt) -> Result:
    """Process one event, unless it was handed back since it was claimed."""
    timeouts.watch()
    if not in_progress.begin(attempt):
        return Result.BUSY
    try:
        return in_its_own_context(lambda: _process(attempt))
    except BaseException:  # an interrupt; while this process lives nobody else would free what it holds
        if in_progress.take(lambda one: one is attempt):
            claim.give_back([attempt])
        raise
    finally:
        in_progress.end(attempt)


def _process(attempt: Attempt) -> Result:
    row = attempt.row
    try:
        attempt.ran = Ran(matching(row.type))
        with sessions() as attempt.sessions:
            event = events.parse(row.body, row.endpoint)
            run.outside(attempt, event)
            run.inside(attempt, event)
    except LeaseLost:
        attempt.log.warning("event.lease_lost", duration_ms=attempt.duration_ms())
        return Result.BUSY
    except BaseException as error:  # SystemExit in a handler is its failure, not the worker's end
        if is_interrupt(error):
            raise
        if attempt.taken_away:
            attempt.log.warning("event.finished_late", error=class_path(type(error)), duration_ms=attempt.duration_ms())
            return Result.BUSY
        return failing.failed(attempt, error)
    attempt.log.info(
        "event.processed", how=row.how_processed, handlers=len(attempt.ran.handlers), duration_ms=attempt.duration_ms()
    )
    return Result.PROCESSED
