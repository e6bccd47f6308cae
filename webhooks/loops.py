"""The loops of `webhooks`: what a worker, or a task of an engine, does for events."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from time import monotonic, sleep

from alerts_runtime.background import Loop
from alerts_runtime.conf import worker_threads
from alerts_runtime.database.retention import Pruner
from alerts_runtime.isolation.parts import Parts, on_its_own
from alerts_runtime.isolation.threads import daemon
from alerts_runtime.leasing import clock
from alerts_runtime.leasing.clock import SteppedBack
from alerts_runtime.redaction.loggers import get_logger
from webhooks.conf import config
from webhooks.process import announcements, arm, claim, cut, failures, lost, processing
from webhooks.process.attempt import in_progress
from webhooks.receive import refusals

logger = get_logger(__name__)
TICK = 1.0  # seconds
SLICE = 0.1  # seconds after which a loop sees whether it is to stop
SOON = 0.01
MARK_AFTER = 0.05


def loops() -> Iterator[Loop]:
    yield Loop(
        "events",
        process_due,
        threads=worker_threads(),
        oldest_due=oldest_due,
        close=hand_back,
    )
    yield Loop("webhooks-tick", tick, topic=None)


def process_due() -> float:
    """Process what is due, for SLICE seconds or one event; returns the seconds until the next one is due."""
    with failures.marking_together():
        found = processing.process_due(until=monotonic() + SLICE)
    if not found:
        failures.write_marks()
    wait = _until_due(found=found)
    return min(wait, MARK_AFTER) if failures.are_marked() else wait


def _until_due(*, found: bool) -> float:
    due_at = claim.next_due()
    if due_at is None:
        return TICK
    ahead = (due_at - clock.now()).total_seconds()
    # One that is due and was not found is locked by somebody: look again soon.
    return ahead if ahead > 0 else 0.0 if found else SOON


def tick() -> float:
    """Once a second: take over from workers that died, repeat announcements that were lost, delete what is too old.

    Any number may run at once; one that finds nothing to do writes nothing. Raises when the database is away.
    """
    _parts(clock.now)
    return TICK


def _mind_the_clock(now: datetime) -> None:
    if back := _stepped_back.since(now):
        arm.bring_forward(back, now)


def _expire(now: datetime) -> None:
    for row, failure in lost.expire(now):
        on_its_own("announce failure", partial(announcements.worker_lost, row, failure), key=failure.pk)


def _announce(now: datetime) -> None:
    for failure in failures.unannounced(now):
        on_its_own("announce failure", partial(announcements.again, failure), key=failure.pk)


def _prune(now: datetime) -> None:
    _pruner.step(now)


def prune(now: datetime) -> bool:
    """Delete a batch of what is older than WEBHOOKS["RETENTION_DAYS"]; whether there was any."""
    before = now - timedelta(days=config().retention_days)
    return arm.prune(before) != (0, 0) or bool(failures.prune_tracebacks() or refusals.prune(before))


def _write_marks(now: datetime) -> None:
    failures.write_marks()


def oldest_due(now: datetime) -> datetime | None:
    """Since when an event waits, for the watchdog."""
    due_at = claim.next_due()
    return due_at if due_at and due_at <= now else None


def hand_back(seconds: float) -> None:
    """When the worker stops: give back events whose handlers have not finished, within so many seconds.

    The connections of those handlers are cut, so that what they did is rolled back and other workers can begin anew.
    """
    end = monotonic() + seconds
    on_its_own("write announcements", failures.write_marks)
    if not (attempts := in_progress.take(lambda one: not one.committed)):
        return
    for attempt in attempts:
        if attempt.thread:
            daemon("handler-cut-off", partial(cut.take_away, attempt, attempt.thread)).start()
    count = 0
    while claim.are_ours(attempts) and monotonic() < end:
        count += claim.hand_back(attempts)
        sleep(SOON)  # the database may take a moment to notice that a connection was cut
    logger.warning("event.handed_back", count=count, running=len(attempts))


_pruner = Pruner(prune)
_stepped_back = SteppedBack()
_parts = Parts(
    "webhooks tick:",
    [
        (0.0, _write_marks),
        (0.0, _mind_the_clock),
        (0.0, _expire),
        (0.0, _announce),
        (0.0, _prune),
    ],
)
