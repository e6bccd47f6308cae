"""Who hears of an alert: the first route that matches, and those after it if it says `continue`. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from notifier.facts import Subject, Target
from notifier.judge.match import mismatch
from notifier.judge.policy import Channel, Route


@dataclass(frozen=True, slots=True)
class Tried:
    """A route that was looked at; `why_not` is empty when it matches."""

    route: Route
    why_not: str


@dataclass(frozen=True, slots=True)
class Routed:
    """One target and the route that chose it."""

    target: Target
    route: Route


def try_routes(subject: Subject, routes: Iterable[Route], *, last_attempt: bool = False) -> tuple[Tried, ...]:
    """Every route looked at, in order, up to the one that ends the search."""
    tried = []
    for route in routes:
        why_not = _why_not(route, subject, last_attempt)
        tried.append(Tried(route, why_not))
        if not why_not and not route.go_on:
            break
    return tuple(tried)


def targets_of(tried: Iterable[Tried], channels: Mapping[str, Channel]) -> tuple[Routed, ...]:
    """The targets of the routes that matched, each once, by the first route that named it."""
    chosen: dict[str, Routed] = {}
    for one in tried:
        if one.why_not:
            continue
        for alias in one.route.to:
            for target in channels[alias].targets:
                chosen.setdefault(target.key, Routed(target, one.route))
    return tuple(chosen.values())


def _why_not(route: Route, subject: Subject, last_attempt: bool) -> str:
    wrong = mismatch(route.matcher, subject)
    if wrong:
        return wrong
    if subject.attempt < route.after_attempts and not last_attempt:
        return f"attempt {subject.attempt} of the {route.after_attempts} it waits for"
    return ""
