"""What a digest tells, as values. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from notifier.facts import EventCounts, Money, Severity


class Section(Enum):
    """Where a digest lists an alert: in exactly one section. In the order in which they are read."""

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
    """One alert."""

    id: int
    section: Section
    severity: Severity
    what: str
    count: int  # failures in the period
    total: int  # failures in all
    opened_at: datetime
    resolved_at: datetime | None = None
    resolved_how: str = ""
    at_risk: tuple[Money, ...] = ()
    unknown: int = 0  # events that are not recovered, of which nobody knows how much money it is
    recovered: tuple[Money, ...] = ()
    waiting: int = 0  # events that are not processed
    dead: int = 0
    held_by: tuple[str, ...] = ()
    url: str = ""
    livemode: bool = True


@dataclass(frozen=True, slots=True)
class Held:
    """What one guard held."""

    by: str
    alerts: int
    failures: int  # that it has not let through
    over: int  # alerts that were over before anybody was told
    since: datetime | None = None
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Undelivered:
    """Something that one channel did not deliver, and why."""

    channel: str
    why: str
    what: str = ""  # "message" or "alert"; empty: everything
    number: int = 0


@dataclass(frozen=True, slots=True)
class Trend:
    """Failures in each part of a period, beside those of the period before it and what is usual."""

    period: str  # "day"
    unit: str  # of a part: "hour"
    labels: tuple[str, ...]
    now: tuple[int, ...]
    before: tuple[int, ...]
    usual: tuple[int, ...]  # of each part the median of the periods before
    usual_sum: int  # the median of their sums, which is not the sum of the medians
    periods: int  # before


@dataclass(frozen=True, slots=True)
class DigestData:
    name: str
    title: str  # "Stripe webhooks on 21 Nov"
    tz: str
    now: datetime
    start: datetime
    end: datetime
    gap_start: datetime | None = None  # no digest went out from here to `gap_end`, so that this one covers it too
    gap_end: datetime | None = None
    counts: EventCounts | None = None
    failures: int = 0
    lines: tuple[Line, ...] = ()
    at_risk: tuple[Money, ...] = ()  # in live mode alone
    unknown: int = 0  # events of live mode at risk, of which nobody knows how much money it is
    recovered: tuple[Money, ...] = ()
    test_money: tuple[Money, ...] = ()  # of test mode's failures: at no risk
    held: tuple[Held, ...] = ()
    undelivered: tuple[Undelivered, ...] = ()
    trend: Trend | None = None
    url: str = ""

    @property
    def quiet(self) -> bool:
        """Nothing happened that anybody has to know."""
        dead = self.counts.dead if self.counts else 0
        return not (self.lines or self.undelivered or self.failures or dead)

    def of(self, section: Section) -> tuple[Line, ...]:
        return tuple(line for line in self.lines if line.section is section)
