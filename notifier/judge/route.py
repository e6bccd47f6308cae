"""Who hears of an alert: the first route that matches, and those after it if it says `continue`. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from notifier.facts import Failure, Recipient, Severity, Subject, Verdict
from notifier.judge.match import mismatch, subject_of
from notifier.judge.policy import ChannelConfig, Policy, Route


@dataclass(frozen=True, slots=True)
class Tried:
    """A route that was looked at; `why_not` is empty when it matches."""

    route: Route
    why_not: str


@dataclass(frozen=True, slots=True)
class Routed:
    """One target and the route that chose it."""

    target: Recipient
    route: Route


@dataclass(frozen=True, slots=True)
class Routing:
    """Who hears of an alert that is so bad: the targets of the routes that took it, of those that were looked at."""

    severity: Severity
    tried: tuple[Tried, ...]
    targets: tuple[Routed, ...]

    @property
    def taken_by(self) -> list[Route]:
        return [one.route for one in self.tried if not one.why_not]

    @property
    def key(self) -> str:
        """What an alert's `planned_for` says when all of them have their plan."""
        # The route too where it has steps: they are a plan of their own.
        keys = sorted(one.target.key + (f" {one.route.name}" * bool(one.route.escalate)) for one in self.targets)
        known = hashlib.sha256("\n".join(keys).encode()).hexdigest()[:32]
        return f"{int(self.severity)}:{known}"


def route(failure: Failure, verdict: Verdict, severity: Severity, policy: Policy) -> Routing:
    """Who hears of a failure. `severity` is its alert's, which is as bad as its worst occurrence: a milder one does
    not end up on a milder route.
    """
    subject = replace(subject_of(failure, verdict), severity=severity)
    tried = try_routes(subject, policy.routes, last_attempt=not failure.will_retry)
    return Routing(severity, tried, targets_of(tried, policy.channels))


def try_routes(subject: Subject, routes: Iterable[Route], *, last_attempt: bool = False) -> tuple[Tried, ...]:
    """Every route looked at, in order, up to the one that ends the search."""
    tried = []
    for route in routes:
        why_not = _why_not(route, subject, last_attempt)
        tried.append(Tried(route, why_not))
        if not why_not and not route.go_on:
            break
    return tuple(tried)


def targets_of(tried: Iterable[Tried], channels: Mapping[str, ChannelConfig]) -> tuple[Routed, ...]:
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
