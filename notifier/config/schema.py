"""NOTIFIER as people write it: its keys and their defaults, for pydantic, which finds every mistake at once.

Keys are upper case as in Django's CACHES; the entries of the ordered lists are lower case.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import time, timedelta
from typing import Annotated, Any

from pydantic import BaseModel, Discriminator, Field, Tag

from notifier.config.fields import (
    Alias,
    Amounts,
    Asked,
    At,
    AttemptNumber,
    CategoryName,
    ChannelKind,
    Duration,
    Entries,
    ExceptionPath,
    FingerprintField,
    Hours,
    Many,
    Name,
    NewAlias,
    OptionalAlias,
    Period,
    Price,
    Rate,
    SeverityAsked,
    SeverityName,
    SeverityRow,
    Some,
    Span,
    Text,
    Tz,
    Weekday,
    number,
    one_line,
)
from notifier.config.people_schema import Key, PersonEntry, RecipientEntry, RotationEntry, rotation_keys
from notifier.config.shape import Lower, Upper
from notifier.facts import Timing
from notifier.judge.policy import Policy, Watch

_POLICY = Policy(channels={}, rules=(), routes=(), digests=())
_WATCH = Watch()
_TIMING = Timing()


class MatchEntry(Lower):
    severity: Asked[Some[SeverityAsked]] = None
    category: Asked[Some[CategoryName]] = None
    source: Asked[Some[Text]] = None
    event: Asked[Some[Text]] = None
    exception: Asked[Some[ExceptionPath]] = None
    livemode: Asked[bool] = None
    endpoint: Asked[Some[Text]] = None
    account: Asked[Some[Text]] = None
    amount: Amounts = Field(default_factory=dict)
    attempt: Asked[AttemptNumber] = None
    context: dict[Text, Text] = Field(default_factory=dict)
    fingerprint: Asked[Some[Text]] = None


class ChannelEntry(Upper):
    backend: ChannelKind
    to: Many[RecipientEntry] = ()
    failover: OptionalAlias = ""
    failover_after: Span = timedelta(minutes=15)
    options: dict[Text, Any] = Field(default_factory=dict)


class RuleEntry(Lower):
    name: Name | None = None
    match: MatchEntry = MatchEntry()
    severity: SeverityName | None = None
    category: CategoryName | None = None
    transient: bool | None = None
    title: Annotated[Text, Field(max_length=150)] = ""
    hint: Annotated[Text, Field(max_length=1000)] = ""
    fingerprint: Many[FingerprintField] = ()
    ignore: bool = False


class Cadence(Lower):
    """How often a route tells; DEFAULTS has the same keys for routes that leave them out."""

    wait: Duration = _TIMING.wait
    interval: Some[Span] = _TIMING.windows
    repeat: Span | None = _TIMING.repeat
    resolved: bool = _TIMING.resolved
    after_attempts: Annotated[int, Field(ge=1, le=1000), number] = 1


class StepEntry(Lower):
    after: Span
    to: Many[Alias] = ()
    each: bool = False
    last_resort: bool = False


class RouteEntry(Cadence):
    name: Name | None = None
    match: MatchEntry = MatchEntry()
    to: Many[Alias]
    go_on: bool = Field(default=False, alias="continue")
    escalate: Entries[StepEntry] = ()
    repeat_steps: Annotated[int, Field(ge=0, le=20), number] = 0


class DigestEntry(Upper):
    at: At = time(8)
    to: Many[Alias]
    every: Period = "day"
    tz: Tz | None = None
    weekday: Weekday = 0
    when_quiet: bool = True


class QuietEntry(Upper):
    hours: Some[Hours]
    tz: Tz | None = None
    channels: Some[Alias]
    unless: SeverityName | None = None


class LimitEntry(Upper):
    rates: Many[Rate] | None = None
    messages_per_day: Annotated[int, Field(ge=1, le=1_000_000), number] | None = None
    money_per_day: Price | None = None
    price_per_part: Price | None = None
    overflow: OptionalAlias = ""


class InhibitEntry(Lower):
    name: Name | None = None
    parent: MatchEntry
    child: MatchEntry


class WatchEntry(Upper):
    refused_share: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False), number] = _WATCH.refused_share
    refused_least: Annotated[int, Field(ge=1), number] = _WATCH.refused_least
    window: Span = _WATCH.window
    backlog: Span = _WATCH.backlog


Table = dict[SeverityRow, Many[Alias]]
Routes = Annotated[
    Annotated[Table, Tag("table")] | Annotated[Entries[RouteEntry], Tag("list")],
    Discriminator(lambda value: "table" if isinstance(value, Mapping) else "list"),
]


class Written(Upper):
    """The whole of NOTIFIER."""

    channels: dict[NewAlias, ChannelEntry] = Field(default_factory=dict)
    classify: Entries[RuleEntry] = ()
    routes: Routes = Field(default_factory=dict)
    defaults: Cadence = Cadence()
    digests: dict[Name, DigestEntry] = Field(default_factory=dict)
    quiet_hours: dict[Name, QuietEntry] = Field(default_factory=dict)
    limits: dict[Alias, LimitEntry] = Field(default_factory=dict)
    inhibit: Entries[InhibitEntry] | None = None
    people: dict[Key, PersonEntry] = Field(default_factory=dict)
    oncall: dict[Key, RotationEntry] = Field(default_factory=dict)
    expect: dict[Text, Span] = Field(default_factory=dict)
    watch: WatchEntry = WatchEntry()
    tz: Tz | None = None
    quiet_period: Span = _POLICY.quiet_period
    acknowledge_for: Span = _POLICY.acknowledge_for
    resolve_after: Span = _POLICY.resolve_after
    forget_after: Span = _POLICY.forget_after
    retention: Span = _POLICY.retention
    release: Annotated[Text, Field(max_length=100), one_line] = ""


ENTRIES: dict[str | int, type[BaseModel]] = {
    "CHANNELS": ChannelEntry,
    "CLASSIFY": RuleEntry,
    "ROUTES": RouteEntry,
    "DEFAULTS": Cadence,
    "DIGESTS": DigestEntry,
    "QUIET_HOURS": QuietEntry,
    "LIMITS": LimitEntry,
    "INHIBIT": InhibitEntry,
    "WATCH": WatchEntry,
    "PEOPLE": PersonEntry,
}


def keys_at(loc: tuple[str | int, ...]) -> list[str]:
    """The keys that may stand at a place of NOTIFIER."""
    if loc[:1] == ("ONCALL",):
        return rotation_keys(loc)
    model = Written if not loc else MatchEntry if _is_match(loc) else ENTRIES.get(loc[0], Written)
    if loc[0:1] == ("ROUTES",) and "escalate" in loc:
        model = StepEntry
    return [field.alias or name for name, field in model.model_fields.items()]


def _is_match(loc: tuple[str | int, ...]) -> bool:
    return loc[0] in {"CLASSIFY", "ROUTES", "INHIBIT"} and loc[-1] in {"match", "parent", "child"}
