"""Finds what is allowed in NOTIFIER and probably not meant. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

from notifier.config import answering, endpoints, exceptions, steps
from notifier.config.covers import covers, severities_of
from notifier.config.destinations import Site
from notifier.config.problems import (
    CIRCLE,
    IMPATIENT,
    LONG_SMS,
    NEVER,
    NO_EFFECT,
    NO_TYPE,
    UNLIMITED,
    UNUSED,
    Doubt,
    Loc,
    Problem,
    path,
    shown,
)
from notifier.config.schema import Written
from notifier.config.unheard import unheard
from notifier.judge.durations import human
from notifier.judge.policy import Policy, Route, Rule

Decides = TypeVar("Decides", Route, Rule)


def doubts(written: Written, policy: Policy, raw: object, site: Site) -> Iterator[Problem]:
    found = (
        *_never(written, policy),
        *exceptions.doubts(written),
        *endpoints.doubts(written, site),
        *_unused(policy),
        *_impatient(written, policy),
        *unheard(policy),
        *_limits(policy),
        *_circles(policy, "FAILOVER", {alias: channel.failover for alias, channel in policy.channels.items()}),
        *_circles(policy, "OVERFLOW", {alias: channel.limits.overflow for alias, channel in policy.channels.items()}),
        *_digests(written, policy),
        *steps.doubts(written),
        *answering.doubts(policy),
        *_expected(policy),
    )
    for loc, text, hint, id_ in dict.fromkeys(found):  # once: a mistake in DEFAULTS is found at every route
        yield Problem(path(loc, raw), text, hint, level="warning", id=id_)


# --- routes and rules that never match ------------------------------------------------------------------------------


def _never(written: Written, policy: Policy) -> Iterator[Doubt]:
    if isinstance(written.routes, dict):
        in_use = {route.name for route in policy.routes}
        for key, to in written.routes.items():
            if to and key not in in_use:
                yield ("ROUTES", key), "never used: other rows name all of its severities", "Remove it.", NEVER
    for index, route in enumerate(policy.routes):
        before = [earlier for earlier in policy.routes[:index] if not earlier.go_on and _as_early(earlier, route)]
        if taker := _taken_by(route, before):
            hint = f'Move it before {shown(taker.name)}, or give that one "continue": True.'
            yield ("ROUTES", index), f"never matches: route {shown(taker.name)} takes all of it before", hint, NEVER
    for index, rule in enumerate(policy.rules):
        if first := _taken_by(rule, policy.rules[:index]):
            text = f"never matches: rule {shown(first.name)} takes all of it before"
            yield ("CLASSIFY", index), text, f"Move it before {shown(first.name)}, or remove it.", NEVER


def _as_early(earlier: Route, later: Route) -> bool:
    return earlier.after_attempts <= max(later.after_attempts, later.matcher.min_attempt or 1)


def _taken_by(one: Decides, before: Sequence[Decides]) -> Decides | None:
    """If those before take all that `one` could match: the one of them that takes the last of it."""
    left = set(severities_of(one.matcher))
    for earlier in before:
        if covers(earlier.matcher, one.matcher):
            left -= severities_of(earlier.matcher)
            if not left:
                return earlier
    return None


# --- the rest -------------------------------------------------------------------------------------------------------


def _unused(policy: Policy) -> Iterator[Doubt]:
    named = {alias for route in policy.routes for alias in route.everybody}
    named |= {alias for digest in policy.digests for alias in digest.to}
    for channel in policy.channels.values():
        named |= {channel.failover, channel.limits.overflow}
    for alias in policy.channels:
        if alias not in named:
            text = "nothing uses this channel: no route, digest, failover or overflow"
            yield ("CHANNELS", alias), text, "Name it in ROUTES, or remove it.", UNUSED


def _impatient(written: Written, policy: Policy) -> Iterator[Doubt]:
    for index, route in enumerate(policy.routes):
        repeat, first = route.timing.repeat, route.timing.windows[0]
        if repeat is not None and repeat < first:
            text = f"reminds every {human(repeat)}, more often than it tells news ({human(first)})"
            yield _repeat_of(written, index), text, "Make repeat longer than interval.", IMPATIENT


def _repeat_of(written: Written, index: int) -> Loc:
    """Where a route's repeat, or the interval that is too long for it, was written."""
    own = () if isinstance(written.routes, dict) else written.routes[index].model_fields_set
    key = next((key for key in ("repeat", "interval") if key in own), None)
    return ("ROUTES", index, key) if key else ("DEFAULTS", "repeat")


def _limits(policy: Policy) -> Iterator[Doubt]:
    for alias, channel in policy.channels.items():
        limits = channel.limits
        budget = limits.messages_per_day is not None or limits.money_per_day is not None
        if channel.costs and not limits.windows and not budget:
            text = "SMS without any limit: a storm of alerts is a storm of SMS, each of which costs"
            yield ("LIMITS", alias), text, "Remove RATES for the default, or give a budget per day.", UNLIMITED
        if limits.overflow and not budget:
            text = "OVERFLOW is never used: only a budget per day can overflow"
            yield ("LIMITS", alias), text, 'Add "MESSAGES_PER_DAY" or "MONEY_PER_DAY".', NO_EFFECT


def _circles(policy: Policy, key: str, after: dict[str, str]) -> Iterator[Doubt]:
    seen: set[str] = set()
    for alias in policy.channels:
        walk: list[str] = []
        here = alias
        while here and here not in seen:
            seen.add(here)
            walk.append(here)
            here = after[here]
        if here in walk:
            circle = " -> ".join([*walk[walk.index(here) :], here])
            place: Loc = ("CHANNELS", here, key) if key == "FAILOVER" else ("LIMITS", here, key)
            text = f"goes round in a circle ({circle}), so what none of them takes reaches nobody else"
            yield place, text, f"Leave {key} out at the last of them.", CIRCLE


def _digests(written: Written, policy: Policy) -> Iterator[Doubt]:
    for digest in policy.digests:
        for index, alias in enumerate(digest.to):
            if policy.channels[alias].kind == "sms":
                text = "a digest does not fit into an SMS"
                yield ("DIGESTS", digest.name, "TO", index), text, "Send it by email or Slack.", LONG_SMS
        given = written.digests[digest.name].model_fields_set
        if digest.every != "week" and "weekday" in given:
            yield ("DIGESTS", digest.name, "WEEKDAY"), "is only read with EVERY week", 'Add "EVERY": "week".', NO_EFFECT


def _expected(policy: Policy) -> Iterator[Doubt]:
    for name in policy.watch.expect:
        if "." not in name or "*" in name:
            text = "is not the name of an event type"
            yield ("EXPECT", name), text, 'Write one type as Stripe names it: "invoice.paid".', NO_TYPE
