"""Finds event types in NOTIFIER that Stripe does not have: a route with a misspelt one never matches."""

from __future__ import annotations

from collections.abc import Iterator

from alerts_runtime import event_types
from notifier.config.problems import NO_TYPE, Loc, Problem, path, shown
from notifier.judge.policy import Policy


def doubts(policy: Policy, raw: object) -> Iterator[Problem]:
    for at, pattern in _patterns(policy):
        if pattern and (hint := event_types.doubt(pattern)):
            text = f"Stripe has no event type {shown(pattern)}"
            yield Problem(path(at, raw), text, hint, level="warning", id=NO_TYPE)


def _patterns(policy: Policy) -> Iterator[tuple[Loc, str]]:
    for index, route in enumerate(policy.routes):
        yield from ((("ROUTES", index, "match", "event"), event) for event in route.matcher.events)
    for index, rule in enumerate(policy.rules):
        yield from ((("CLASSIFY", index, "match", "event"), event) for event in rule.matcher.events)
    for index, one in enumerate(policy.inhibitions):
        yield from ((("INHIBIT", index, "parent", "event"), event) for event in one.parent.events)
        yield from ((("INHIBIT", index, "child", "event"), event) for event in one.child.events)
    yield from ((("EXPECT", name), name) for name in policy.watch.expect if "." in name)  # else: doubts.py
