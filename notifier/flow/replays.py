"""Replaying an alert's events. Intake modules register how it is done where they keep events; none is imported here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

MOST = 1000  # events in one request, whose transaction locks them


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of the events that were asked for."""

    again: int = 0  # given up before, and processed again
    hurried: int = 0  # their next attempt is due now
    left: int = 0  # processed, being processed, or gone

    def __add__(self, other: Replayed) -> Replayed:
        return Replayed(self.again + other.again, self.hurried + other.hurried, self.left + other.left)


# Takes event ids, within the caller's transaction. Ids that the source does not know are left out of its counts.
Replay = Callable[[Sequence[str], datetime], Replayed]
_sources: list[Replay] = []


def register(replay: Replay) -> None:
    """Add a source of events; adding one twice changes nothing."""
    if replay not in _sources:
        _sources.append(replay)


def replay(event_ids: Sequence[str], now: datetime) -> Replayed:
    """Have events processed again by the sources that know them. Raises what a source raises."""
    return sum((source(event_ids[:MOST], now) for source in _sources), Replayed())
