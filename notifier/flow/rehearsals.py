"""Rehearsing a replay of an alert's events. Intake modules register how it is done, as in replays.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence

# Takes event ids and says in a sentence what a replay would do. Everything is rolled back.
Rehearse = Callable[[Sequence[str]], str]
_sources: list[Rehearse] = []


def register(rehearse: Rehearse) -> None:
    """Add a source of events; adding one twice changes nothing."""
    if rehearse not in _sources:
        _sources.append(rehearse)


def rehearse(event_ids: Sequence[str]) -> str:
    """What a replay of these events would do, as each source says it. Takes seconds. Raises what a source raises."""
    return " ".join(source(event_ids) for source in _sources)
