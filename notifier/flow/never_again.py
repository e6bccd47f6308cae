"""An event that is never to be run again, whatever holds it: an intake module registers how, so that none is imported.

Its failures are settled: nobody waits for them, and their money is neither at risk nor recovered.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from notifier.alerts import store
from notifier.flow import pipeline
from notifier.models import Alert


@dataclass(frozen=True, slots=True)
class Source:
    """Each by event id, within the caller's transaction. False: it is as it was."""

    drop: Callable[[str], bool]
    pick_up: Callable[[str], bool]


_sources: list[Source] = []


def register(source: Source) -> None:
    """Add a source of events; adding one twice changes nothing."""
    if source not in _sources:
        _sources.append(source)


def drop(event_id: str, by: str, now: datetime) -> bool:
    """No retry, no replay and no resend runs it; its alerts may be over. False: it is processed, or at work."""
    with transaction.atomic():
        if not any(source.drop(event_id) for source in _sources):
            return False
        pipeline.settled(event_id, f"by {by}", now)
        return True


def pick_up(event_id: str) -> bool:
    """It may be run again, by whoever asks; alerts that are still open wait for it again. False: nobody dropped it."""
    with transaction.atomic():
        if not any(source.pick_up(event_id) for source in _sources):
            return False
        store.waits_again(event_id)
        return True


def waits(alert: Alert) -> int:
    """How many of its events still wait to be processed."""
    left = alert.occurrences.filter(recovered_at__isnull=True).exclude(event_id="")
    return left.values("event_id").distinct().count()
