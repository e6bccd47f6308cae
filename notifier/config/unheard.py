"""Finds whether a critical alert would wake nobody: no route, no channel that rings, or all quiet at once. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta

from notifier.config.covers import severities_of
from notifier.config.problems import UNHEARD, Doubt, shown
from notifier.facts import Severity
from notifier.judge.calendar import QuietHours, quiet_until, zone
from notifier.judge.match import Matcher
from notifier.judge.policy import ChannelConfig, Policy

A_MONDAY = date(2026, 1, 5)


def unheard(policy: Policy) -> Iterator[Doubt]:
    """The doubt about that, if there is one."""
    critical = [policy.channels[alias] for alias in hear_critical(policy)]
    channels = [channel for channel in critical if channel.targets or channel.rotations]
    ringing = [channel for channel in channels if channel.wakes]
    if ignores := next((rule for rule in policy.rules if rule.ignore and rule.matcher == Matcher()), None):
        text = f"rule {shown(ignores.name)} ignores every failure, so nobody is told of any"
        yield ("CLASSIFY", policy.rules.index(ignores)), text, 'Give it a "match".', UNHEARD
    if not channels:
        text = "nobody is told of a critical alert"
        yield ("ROUTES",), text, "Route critical alerts to a channel with recipients.", UNHEARD
    elif not ringing:
        kinds = " and ".join(sorted({channel.kind for channel in channels}))
        text = f"critical alerts go by {kinds} only, which wakes nobody"
        yield ("ROUTES",), text, "Add a channel that rings at night: slack or sms.", UNHEARD
    elif when := _all_quiet(ringing):
        names = ", ".join(sorted({quiet.name for channel in ringing for quiet in channel.quiet if not quiet.unless}))
        text = f"nobody hears of a critical alert on {when:%a} at {when:%H:%M %Z}: all that ring are quiet ({names})"
        yield ("QUIET_HOURS",), text, 'Add "UNLESS": "critical" to one of them.', UNHEARD


def hear_critical(policy: Policy) -> tuple[str, ...]:
    """The channels of a critical alert by routes that ask for nothing but the severity; else by any that take it."""
    general: list[str] = []
    found = False
    for route in policy.routes:
        if Severity.CRITICAL in severities_of(route.matcher) and _asks_nothing_else(route.matcher):
            found = True
            general += route.everybody
            if not route.go_on:
                break
    if not found:
        critical = [route for route in policy.routes if Severity.CRITICAL in severities_of(route.matcher)]
        general = [alias for route in critical for alias in route.everybody]
    return tuple(dict.fromkeys(general))


def _asks_nothing_else(matcher: Matcher) -> bool:
    live = None if matcher.livemode else matcher.livemode
    return replace(matcher, min_severity=None, severities=(), livemode=live) == Matcher()


def _all_quiet(channels: list[ChannelConfig]) -> datetime | None:
    """A time in the week at which all of these channels are quiet, even for a critical alert; None: there is none.

    It is enough to look at the beginnings of quiet times: if all are quiet at once, that begins with one of them.
    """
    closed = [
        [hours for quiet in channel.quiet if quiet.unless is None for hours in quiet.hours] for channel in channels
    ]
    for begin in sorted(begin for rules in closed for hours in rules for begin in _beginnings(hours)):
        if all(quiet_until(rules, begin) is not None for rules in closed):
            return begin
    return None


def _beginnings(hours: QuietHours) -> list[datetime]:
    days = [A_MONDAY + timedelta(days=day) for day in sorted(hours.days)]
    return [datetime.combine(day, hours.start, zone(hours.tz)) for day in days]
