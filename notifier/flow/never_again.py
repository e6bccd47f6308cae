"""Giving an event up for good. Intake modules register how it is done where they keep events; none is imported here.

The failures of such an event are settled: no alert waits for them, and their money is neither at risk nor recovered.
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
    """The functions of an intake module. Each takes an event id, within the caller's transaction; False: no change."""

    drop: Callable[[str], bool]
    pick_up: Callable[[str], bool]


_sources: list[Source] = []


def register(source: Source) -> None:
    """Add a source of events; adding one twice changes nothing."""
    if source not in _sources:
        _sources.append(source)


def drop(event_id: str, by: str, now: datetime) -> bool:
    """Give an event up for good; its alerts may be over. False when it is processed or being processed."""
    with transaction.atomic():
        if not any(source.drop(event_id) for source in _sources):
            return False
        pipeline.settled(event_id, f"by {by}", now)
        return True


def pick_up(event_id: str) -> bool:
    """Allow an event to be run again; open alerts wait for it again. False when it was not given up."""
    with transaction.atomic():
        if not any(source.pick_up(event_id) for source in _sources):
            return False
        store.waits_again(event_id)
        return True


def waits(alert: Alert) -> int:
    """How many of an alert's events still wait to be processed."""
    left = alert.occurrences.filter(recovered_at__isnull=True).exclude(event_id="")
    return left.values("event_id").distinct().count()
