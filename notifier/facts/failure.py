"""A failure, the verdict on it, and what matchers can ask about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from notifier.facts.enums import Category, Severity


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in the currency's smallest unit (cents, yen, fils), as Stripe writes it."""

    amount: int
    currency: str  # lower case, ISO 4217


NO_CURRENCY = "xxx"  # ISO 4217 for "no currency": the occurrence is about money, and the amount is unknown


@dataclass(frozen=True, slots=True)
class Frame:
    """The innermost line of the site's own code in a traceback."""

    file: str
    line: int
    module: str
    function: str


@dataclass(frozen=True, slots=True)
class Failure:
    """One thing that went wrong, from an allow-list of fields; every text in it has been redacted."""

    key: str  # idempotency key: the same failure told twice is counted once
    occurred_at: datetime
    exceptions: tuple[str, ...]  # canonical dotted paths: the exception's class, then its bases (match.canonical)
    message: str
    source: str = "webhook"  # or the name that other code gave to `alert(...)`
    event_id: str = ""
    event_type: str = ""
    endpoint: str = ""
    account: str = ""
    livemode: bool = False
    attempt: int = 1
    max_attempts: int | None = None
    will_retry: bool = False
    next_attempt_at: datetime | None = None
    gives_up_at: datetime | None = None
    frame: Frame | None = None
    kind: str = ""  # a name of alerts_runtime.failures.kinds; "" without an exception
    transient: bool = False  # expected to end by itself, by its kind or as the site says
    peer: str = ""  # the service that failed, a host or a name; "" when not known
    object_id: str = ""
    customer: str = ""
    money: Money | None = None
    amount_unknown: bool = False  # it is about money, and no amount could be read from the event
    traceback: str = ""
    context: Mapping[str, str] = field(default_factory=dict)
    after_commit: bool = False  # the event was committed, and an on_commit callback failed
    not_run: tuple[str, ...] = ()  # the names of the callbacks that did not run


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of classifying a failure."""

    severity: Severity
    category: Category
    transient: bool
    title: str
    hint: str
    fingerprint: str
    rule: str  # the name of the rule that gave it


@dataclass(frozen=True, slots=True)
class Subject:
    """What a matcher can ask about, the same for a failure, an alert and a dry run."""

    severity: Severity
    category: Category
    source: str = "webhook"
    event_type: str = ""
    exceptions: tuple[str, ...] = ()
    livemode: bool = False
    endpoint: str = ""
    account: str = ""
    money: Money | None = None
    amounts: Mapping[str, int] = field(default_factory=dict)  # of an alert: the largest in each currency
    attempt: int = 1
    context: Mapping[str, str] = field(default_factory=dict)
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class EventCounts:
    """Counts of the events that were received in a period, by what became of them."""

    received: int
    first_time: int  # processed at the first attempt
    recovered: int  # processed after they had failed
    dead: int
    open: int  # not processed yet
