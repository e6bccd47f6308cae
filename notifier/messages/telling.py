"""What is known of one alert at the moment one target is told of it, as values. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from notifier.facts import FORGOTTEN, Category, Frame, Link, Money, Reason, Severity


@dataclass(frozen=True, slots=True)
class Totals:
    """All that happened on one alert, each event counted once however often it failed."""

    first_at: datetime | None = None
    events: int = 0  # 0: it is not about Stripe's events
    types: int = 0
    newest_event: str = ""
    customers: int = 0
    customer: str = ""  # when there is only one
    object_id: str = ""  # when there is only one
    at_risk: tuple[Money, ...] = ()
    unknown: int = 0  # events at risk of which nobody knows how much money it is
    recovered: tuple[Money, ...] = ()
    recovered_by: tuple[tuple[str, int], ...] = ()  # how, and how many events; most first
    dead: int = 0
    dead_events: tuple[str, ...] = ()  # the newest few

    @property
    def recovered_events(self) -> int:
        return sum(number for _, number in self.recovered_by)


@dataclass(frozen=True, slots=True)
class Since:
    """What came after the last message."""

    number: int = 0
    types: tuple[tuple[str, int], ...] = ()  # the most frequent few, and how many of each
    money: tuple[Money, ...] = ()


@dataclass(frozen=True, slots=True)
class Children:
    """Alerts that are held because this one explains them."""

    alerts: int = 0
    occurrences: int = 0
    named: tuple[tuple[int, str], ...] = ()  # number and headline of the most frequent few


@dataclass(frozen=True, slots=True)
class Turn:
    """Whose turn it is to answer."""

    place: str = ""  # which step of the route's escalation, in words
    told: tuple[tuple[str, datetime], ...] = ()  # the channels that heard before, and when first
    asks_each: bool = False  # somebody has answered, and not each who was asked
    more: bool = False  # a step is left


@dataclass(frozen=True, slots=True)
class Story:
    """One alert for one target, now. Times are in UTC; `tz` is the zone that people read them in."""

    reason: Reason
    now: datetime
    tz: str
    # the alert
    id: int
    severity: Severity
    category: Category
    title: str
    opened_at: datetime
    last_at: datetime
    count: int
    source: str = "webhook"
    event_type: str = ""
    hint: str = ""
    livemode: bool = False
    account: str = ""
    exception: str = ""  # its class, without the module
    message: str = ""
    frame: Frame | None = None
    traceback: str = ""
    attempt: int = 1
    max_attempts: int | None = None
    will_retry: bool = False
    after_commit: bool = False  # its events are processed; what follows their commit failed
    next_attempt_at: datetime | None = None
    gives_up_at: datetime | None = None
    acknowledged_by: str = ""
    acknowledged_until: datetime | None = None
    silenced_until: datetime | None = None
    resolved_at: datetime | None = None
    resolved_how: str = ""
    totals: Totals = field(default_factory=Totals)
    children: Children = field(default_factory=Children)
    # the target
    route: str = ""
    since: Since = field(default_factory=Since)
    told_at: datetime | None = None
    told_severity: Severity | None = None
    answers: tuple[str, ...] = ()  # what somebody said since then, the latest last
    held_by: str = ""
    held_since: datetime | None = None
    instead_of: str = ""
    turn: Turn = field(default_factory=Turn)
    next_update_at: datetime | None = None  # the earliest
    deliveries: tuple[str, ...] = ()  # to others since then; told only where there is a thread
    thread: str = ""
    answer_url: str = ""  # where its recipient answers; of this recipient alone
    code: int = 0  # by which its recipient answers by SMS; 0: they cannot
    # the message
    links: tuple[Link, ...] = ()
    reference: str = ""
    possible_repeat: bool = False

    @property
    def forgotten(self) -> bool:
        """It is no longer followed, and nobody said that it was fixed."""
        return self.resolved_at is not None and self.resolved_how.startswith(FORGOTTEN)

    @property
    def about_events(self) -> bool:
        return self.source == "webhook" and self.totals.events > 0
