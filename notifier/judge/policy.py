"""NOTIFIER as frozen values, which notifier.config makes of the settings and everything else reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import time, timedelta
from decimal import Decimal
from typing import Literal

from notifier.facts import Category, Recipient, Severity, Timing
from notifier.judge.calendar import QuietHours
from notifier.judge.escalation import Level, Step, levels
from notifier.judge.match import Matcher
from notifier.judge.oncall.people import Person
from notifier.judge.oncall.rotation import Rotation
from notifier.judge.throttle import Window

HANDOVER_TEST = "handover test"  # the route of a test page, which the settings do not name: its end is no news


@dataclass(frozen=True, slots=True)
class Quiet:
    """When a channel is not disturbed, unless it is as bad as `unless`."""

    name: str
    hours: tuple[QuietHours, ...]
    unless: Severity | None = None  # this severity and worse pass


@dataclass(frozen=True, slots=True)
class Limits:
    windows: tuple[Window, ...] = ()
    critical: tuple[Window, ...] = ()  # further ones for new critical alerts, when `windows` are full
    messages_per_day: int | None = None
    money_per_day: Decimal | None = None
    price_per_part: Decimal = Decimal(0)
    overflow: str = ""  # the channel that gets what the budget no longer allows


@dataclass(frozen=True, slots=True)
class ChannelConfig:
    """One alias of CHANNELS."""

    alias: str
    kind: str  # what was configured
    backend: str  # what sends: the kind, or "console" for its twin without credentials
    targets: tuple[Recipient, ...]  # in oncall.present.policy_now also those who are on call
    options: Mapping[str, object] = field(default_factory=dict, repr=False)  # credentials
    missing: tuple[str, ...] = ()  # credentials that are not set
    failover: str = ""
    failover_after: timedelta = timedelta(minutes=15)
    quiet: tuple[Quiet, ...] = ()
    limits: Limits = field(default_factory=Limits)
    rotations: tuple[str, ...] = ()  # who of them is on call hears too; see oncall/present.py
    unreached: tuple[str, ...] = ()  # in policy_now: who is on call and has no address here
    wakes: bool = True  # rings at night
    costs: bool = False  # each message costs money
    people: Mapping[str, Recipient] = field(default_factory=dict, repr=False)  # whom rotations may name, by target key

    @property
    def unconfigured(self) -> str:
        """Why nothing can be sent here, or "": credentials are missing, and no twin prints in its place."""
        return f"not configured: {', '.join(self.missing)}" if self.missing and self.backend == self.kind else ""

    @property
    def prints(self) -> bool:
        """Whether its messages are printed here instead of being sent."""
        return self.backend != self.kind


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry of CLASSIFY. What it leaves out stays as the built-in table has it."""

    name: str
    matcher: Matcher
    severity: Severity | None = None
    category: Category | None = None
    transient: bool | None = None
    title: str = ""
    hint: str = ""
    fingerprint: tuple[str, ...] = ()
    ignore: bool = False


@dataclass(frozen=True, slots=True)
class Route:
    name: str
    matcher: Matcher
    to: tuple[str, ...]  # channel aliases
    timing: Timing = field(default_factory=Timing)
    after_attempts: int = 1
    go_on: bool = False  # `continue`: look at the following routes too
    escalate: tuple[Step, ...] = ()
    repeat_steps: int = 0  # how often all of it is repeated, the first page too

    @property
    def levels(self) -> tuple[Level, ...]:
        """The first page, every step in its turn, and the last resort."""
        return levels(self.to, self.escalate, self.repeat_steps, self.timing.wait)

    @property
    def everybody(self) -> tuple[str, ...]:
        """The channels of its first page and of its steps, each once."""
        return tuple(dict.fromkeys((*self.to, *(alias for step in self.escalate for alias in step.to))))


@dataclass(frozen=True, slots=True)
class DigestPlan:
    name: str
    to: tuple[str, ...]
    at: time
    every: Literal["hour", "day", "week", "month"]
    tz: str
    weekday: int = 0
    when_quiet: bool = True  # send one line when nothing happened


@dataclass(frozen=True, slots=True)
class Inhibition:
    """While an alert that matches `parent` is open, alerts that match `child` are held and counted in it."""

    name: str
    parent: Matcher
    child: Matcher


@dataclass(frozen=True, slots=True)
class Watch:
    """Thresholds of the silent failures."""

    expect: Mapping[str, timedelta] = field(default_factory=dict)  # event type -> the longest silence
    refused_share: float = 0.2  # of a window's requests with an invalid signature
    refused_least: int = 5  # below this count a share says nothing
    window: timedelta = timedelta(minutes=15)
    backlog: timedelta = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Policy:
    channels: Mapping[str, ChannelConfig]
    rules: tuple[Rule, ...]
    routes: tuple[Route, ...]
    digests: tuple[DigestPlan, ...]
    inhibitions: tuple[Inhibition, ...] = ()
    watch: Watch = field(default_factory=Watch)
    people: Mapping[str, Person] = field(default_factory=dict)
    rotations: Mapping[str, Rotation] = field(default_factory=dict)
    tz: str = "UTC"
    quiet_period: timedelta = timedelta(minutes=30)  # without a failure: the storm is over
    acknowledge_for: timedelta = timedelta(hours=8)
    resolve_after: timedelta = timedelta(hours=1)  # for alerts that no event can recover
    forget_after: timedelta = timedelta(days=30)  # an unresolved alert ends by itself
    retention: timedelta = timedelta(days=180)
    release: str = ""  # of the site; a new one ends what was ignored

    def route(self, name: str) -> Route | None:
        return next((route for route in self.routes if route.name == name), None)

    def timing(self, route: str) -> Timing:
        if route == HANDOVER_TEST:
            return Timing(resolved=False)
        found = self.route(route)
        return found.timing if found else Timing()
