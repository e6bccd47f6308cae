"""What a message tells of one alert to one target, as values. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from notifier.facts import FORGOTTEN, Category, Frame, Link, Money, Reason, Severity


@dataclass(frozen=True, slots=True)
class Totals:
    """The totals of an alert. Each event counts once, however often it failed."""

    first_at: datetime | None = None
    events: int = 0  # 0: the alert is not about Stripe's events
    types: int = 0
    newest_event: str = ""
    customers: int = 0
    customer: str = ""  # when there is only one
    object_id: str = ""  # when there is only one
    at_risk: tuple[Money, ...] = ()
    unknown: int = 0  # events at risk whose amount is unknown
    recovered: tuple[Money, ...] = ()
    recovered_by: tuple[tuple[str, int], ...] = ()  # how, and how many events; the most first
    dead: int = 0
    dead_events: tuple[str, ...] = ()  # the newest few

    @property
    def recovered_events(self) -> int:
        return sum(number for _, number in self.recovered_by)


@dataclass(frozen=True, slots=True)
class Since:
    """What has happened since the last message."""

    number: int = 0
    types: tuple[tuple[str, int], ...] = ()  # the most frequent few, and how many of each
    money: tuple[Money, ...] = ()


@dataclass(frozen=True, slots=True)
class Children:
    """The alerts that are held because this one is their parent."""

    alerts: int = 0
    occurrences: int = 0
    named: tuple[tuple[int, str], ...] = ()  # the number and headline of the most frequent few


@dataclass(frozen=True, slots=True)
class Turn:
    """How far the escalation has come, and who was asked before."""

    place: str = ""  # the step of the route's escalation, in words
    told: tuple[tuple[str, datetime], ...] = ()  # the channels that were told before, and when first
    asks_each: bool = False  # acknowledged, but not yet by each who was asked
    more: bool = False  # whether a further step is left


@dataclass(frozen=True, slots=True)
class Story:
    """One alert as told to one target now. Times are in UTC; `tz` is the zone in which people read them."""

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
    after_commit: bool = False  # its events are processed; an on_commit callback failed
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
    answers: tuple[str, ...] = ()  # answers of others since the last message, the latest last
    held_by: str = ""  # a HeldBy; "" when nothing did
    held_ref: str = ""
    held_since: datetime | None = None
    instead_of: str = ""
    turn: Turn = field(default_factory=Turn)
    next_update_at: datetime | None = None  # at the earliest
    deliveries: tuple[str, ...] = ()  # what was sent to others since then; for a thread
    thread: str = ""
    answer_url: str = ""  # where this recipient can answer, and nobody else
    code: int = 0  # the number by which it is answered by SMS; 0: it cannot be
    # the message
    links: tuple[Link, ...] = ()
    reference: str = ""
    possible_repeat: bool = False

    @property
    def forgotten(self) -> bool:
        """Whether it ended for lack of failures: nobody said that it is fixed."""
        return self.resolved_at is not None and self.resolved_how.startswith(FORGOTTEN)

    @property
    def about_events(self) -> bool:
        return self.source == "webhook" and self.totals.events > 0
