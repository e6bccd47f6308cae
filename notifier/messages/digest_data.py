"""The contents of a digest, as values. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from notifier.facts import EventCounts, Money, Severity


class Section(Enum):
    """The sections of a digest, in their order. An alert is listed in exactly one."""

    DEAD = "Given up: nothing retries these by itself"
    NEW = "New and open"
    STILL_OPEN = "Still open from before"
    HELD = "Held: nobody has been told yet"
    RECOVERED = "Recovered by themselves"
    REPLAYED = "Recovered by replay"
    CLOSED = "Closed"
    UNTOLD = "Over before anybody was told"


OPEN = frozenset({Section.DEAD, Section.NEW, Section.STILL_OPEN, Section.HELD})


@dataclass(frozen=True, slots=True)
class Line:
    """The line of an alert in a digest."""

    id: int
    section: Section
    severity: Severity
    what: str
    count: int  # failures in the period
    total: int  # failures since the alert was first opened
    opened_at: datetime
    resolved_at: datetime | None = None
    resolved_how: str = ""
    at_risk: tuple[Money, ...] = ()
    unknown: int = 0  # events that are not recovered and whose amount is unknown
    recovered: tuple[Money, ...] = ()
    waiting: int = 0  # events that are not processed
    dead: int = 0
    held_by: tuple[str, ...] = ()
    url: str = ""
    livemode: bool = True


@dataclass(frozen=True, slots=True)
class Held:
    """What one guard held back in the period."""

    by: str
    alerts: int
    failures: int  # that it still holds
    over: int  # alerts that were over before anybody was told of them
    since: datetime | None = None
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Undelivered:
    """Something that a channel did not deliver, with the reason."""

    channel: str
    why: str
    what: str = ""  # "message" or "alert"; empty: everything
    number: int = 0


@dataclass(frozen=True, slots=True)
class Trend:
    """The failures in each part of a period, in the period before, and in a usual one."""

    period: str  # "day"
    unit: str  # of a part: "hour"
    labels: tuple[str, ...]
    now: tuple[int, ...]
    before: tuple[int, ...]
    usual: tuple[int, ...]  # for each part the median of the periods before
    usual_sum: int  # the median of the periods' sums, which is not the sum of the medians
    periods: int  # how many there were before


@dataclass(frozen=True, slots=True)
class DigestData:
    name: str
    title: str  # "Stripe webhooks on 21 Nov"
    tz: str
    now: datetime
    start: datetime
    end: datetime
    gap_start: datetime | None = None  # no digest went out for the time from here to `gap_end`, so this one covers it
    gap_end: datetime | None = None
    counts: EventCounts | None = None
    failures: int = 0
    lines: tuple[Line, ...] = ()
    at_risk: tuple[Money, ...] = ()  # in live mode only
    unknown: int = 0  # events at risk in live mode whose amount is unknown
    recovered: tuple[Money, ...] = ()
    test_money: tuple[Money, ...] = ()  # of failures in test mode, which is not at risk
    held: tuple[Held, ...] = ()
    undelivered: tuple[Undelivered, ...] = ()
    trend: Trend | None = None
    url: str = ""

    @property
    def quiet(self) -> bool:
        """Whether nothing happened that anybody has to know."""
        dead = self.counts.dead if self.counts else 0
        return not (self.lines or self.undelivered or self.failures or dead)

    def of(self, section: Section) -> tuple[Line, ...]:
        return tuple(line for line in self.lines if line.section is section)
