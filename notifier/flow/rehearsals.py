"""Rehearsing a replay of an alert's events, whatever holds them: an intake module registers how, as in replays.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence

# By event id; what would come of a replay, in a sentence. Nothing of it stays.
Rehearse = Callable[[Sequence[str]], str]
_sources: list[Rehearse] = []


def register(rehearse: Rehearse) -> None:
    """Add a source of events; adding one twice changes nothing."""
    if rehearse not in _sources:
        _sources.append(rehearse)


def rehearse(event_ids: Sequence[str]) -> str:
    """What would come of a replay of these events, in words of each source. Takes seconds. Raises what one raises."""
    return " ".join(source(event_ids) for source in _sources)
