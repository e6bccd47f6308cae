"""The buttons of messages about alerts, for channels that have buttons. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from notifier.facts import Button, Reason, Verb
from notifier.messages.telling import Story

MOST = 50  # alerts that one button can answer


def of_one(story: Story) -> tuple[Button, ...]:
    """The buttons of a message about one alert, for what can be done in its present state."""
    if story.resolved_at is not None or story.reason is Reason.TEST:
        return ()
    this = (story.id,)
    has_it = story.acknowledged_until is not None and story.acknowledged_until > story.now
    waits = story.about_events and story.totals.events > story.totals.recovered_events
    silenced = story.silenced_until is not None
    return (
        Button("Take back", Verb.TAKE_BACK, this) if has_it else Button("Acknowledge", Verb.ACKNOWLEDGE, this),
        Button("Resolve", Verb.RESOLVE, this),
        *((Button("End silence", Verb.UNSILENCE, this),) if silenced else _silences(this)),
        *((Button("Replay", Verb.REPLAY, this),) if waits else ()),
        *((Button("Next person", Verb.ESCALATE, this),) if story.turn.more else ()),
    )


def _silences(this: tuple[int, ...]) -> tuple[Button, ...]:
    return (
        Button("Silence 1 h", Verb.SILENCE, this, "1h"),
        Button("Silence 4 h", Verb.SILENCE, this, "4h"),
        Button("Silence until tomorrow", Verb.SILENCE, this, "tomorrow"),
    )


def of_list(stories: Sequence[Story]) -> tuple[Button, ...]:
    """The buttons of a list: only what can safely be done to all of its alerts at once."""
    free = [
        one.id
        for one in stories
        if one.resolved_at is None and not (one.acknowledged_until and one.acknowledged_until > one.now)
    ]
    return (Button(f"Acknowledge {len(free)}", Verb.ACKNOWLEDGE, tuple(free)),) if 0 < len(free) <= MOST else ()
