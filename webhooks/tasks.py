"""What workers do: the bodies of the loops, which any engine may call as well."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import structlog
from django.conf import settings
from django.utils import timezone

from core.worker import Loop
from webhooks import announcements, failures, inbox, processing, refusals
from webhooks.conf import config
from webhooks.leases import grace, held

logger = structlog.stdlib.get_logger(__name__)
TICK = 1.0  # seconds


def loops() -> Iterator[Loop]:
    yield Loop(
        "events",
        process_due,
        threads=getattr(settings, "WORKER_THREADS", 4),
        oldest_due=oldest_due,
        close=hand_back,
    )
    yield Loop("webhooks-tick", tick, topic=None)


def process_due() -> float:
    """Process one event; the seconds until the next one is due, 0 when one was."""
    now = timezone.now()
    due_at = inbox.next_due()
    if due_at is None:
        return TICK
    if due_at > now:
        return (due_at - now).total_seconds()
    processing.process_one(now)
    return 0.0  # whoever took it, the next one may be due as well


def tick() -> float:
    """Keep leases honest and announcements from getting lost. Any number may run; an idle one writes nothing."""
    now = timezone.now()
    timeout = config().handler_timeout
    for event_id in held.newly_hung(timeout):
        logger.critical("event.handler_hangs", event_id=event_id, seconds=timeout.total_seconds())
    if tokens := held.to_renew(config().lease, timeout):
        inbox.renew(tokens, now)
    for row, failure in inbox.expire(now):
        announcements.worker_lost(row, failure)
    for failure in failures.unannounced(now):
        announcements.again(failure)
    refusals.flush()
    return min(TICK, grace(config().lease) / 2)


def oldest_due(now: datetime) -> datetime | None:
    """Since when an event waits, for the watchdog."""
    due_at = inbox.next_due()
    return due_at if due_at and due_at <= now else None


def hand_back(_seconds: float) -> None:
    """When the worker must stop: what its handlers have not finished goes to others at once."""
    if tokens := held.tokens():
        count = inbox.hand_back(tokens, timezone.now())
        logger.warning("events.handed_back", count=count, running=len(tokens))
