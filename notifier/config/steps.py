"""Finds mistakes and doubts in the steps of escalation of routes. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

from notifier.config.problems import CONTRADICTION, NO_EFFECT, Doubt, Loc
from notifier.config.schema import RouteEntry, StepEntry, Written
from notifier.judge.durations import human

LONGEST = timedelta(days=7)


def mistakes(written: Written) -> Iterator[Doubt]:
    """Steps that cannot be taken as they stand."""
    for index, route in _routes(written):
        at: Loc = ("ROUTES", index, "escalate")
        for number, step in enumerate(route.escalate):
            before = route.escalate[:number]
            if found := _of_whom(step, before):
                yield (*at, number), *found, CONTRADICTION
            if found := _of_time(step, before):
                yield (*at, number, "after"), *found, CONTRADICTION


def doubts(written: Written) -> Iterator[Doubt]:
    """What is written and has no effect."""
    for index, route in _routes(written):
        if route.repeat_steps and not any(not step.last_resort for step in route.escalate):
            text = "repeats nothing: the route has no step that tells people"
            yield ("ROUTES", index, "repeat_steps"), text, 'Add steps to "escalate", or remove it.', NO_EFFECT


def _routes(written: Written) -> Iterator[tuple[int, RouteEntry]]:
    yield from () if isinstance(written.routes, dict) else enumerate(written.routes)


def _of_whom(step: StepEntry, before: Sequence[StepEntry]) -> tuple[str, str] | None:
    if any(one.last_resort for one in before):
        return "no step comes after the last resort", "Move it before that one."
    if step.last_resort and step.each:
        return "nobody answers for the last resort", 'Remove "each".'
    if not step.to and not step.last_resort:
        return "tells nobody", 'Name channels in "to", or write "last_resort": True.'
    return None


def _of_time(step: StepEntry, before: Sequence[StepEntry]) -> tuple[str, str] | None:
    if before and step.after <= before[-1].after:
        text = f"comes no later than the step before it, which comes after {human(before[-1].after)}"
        return text, "Every step counts from the first page: write them in order."
    if step.after > LONGEST:
        return f"is longer than {human(LONGEST)}", "Nobody waits for so long for an answer."
    return None
