"""Recipients, the state of an alert, what a recipient was told of it, and what comes next."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from notifier.facts.enums import Reason, Severity
from notifier.facts.failure import Subject


@dataclass(frozen=True, slots=True)
class Recipient:
    """One recipient: an address on a channel, or a person, whose address there may change."""

    channel: str  # the alias in NOTIFIER["CHANNELS"]
    kind: str  # slack, slack_webhook, sms, voice, email, console, memory
    address: str  # where it is reached now
    person: str = ""  # key of PEOPLE

    @property
    def key(self) -> str:
        """The identity of a recipient, also when the address changes: of its row, its waiting messages and its rate."""
        return f"{self.channel}:{f'person {self.person}' if self.person else self.address}"


@dataclass(frozen=True, slots=True)
class Timing:
    """How often one target hears of one alert."""

    wait: timedelta = timedelta(0)  # collect this long before the first message
    windows: tuple[timedelta, ...] = (
        timedelta(minutes=5),
        timedelta(minutes=10),
        timedelta(minutes=20),
        timedelta(minutes=30),
    )  # least time between two messages; grows while the storm lasts
    repeat: timedelta | None = None  # remind this often until acknowledged or resolved
    resolved: bool = True  # say when it is over


@dataclass(frozen=True, slots=True)
class AlertState:
    """What the stages that do not read the database need to know of an alert."""

    subject: Subject
    count: int
    opened_at: datetime
    storm_since: datetime  # since when failures have come without a quiet period between them
    resolved_at: datetime | None = None
    acknowledged_at: datetime | None = None
    acknowledged_until: datetime | None = None
    acknowledged_severity: Severity | None = None  # how bad it was then
    last_answer: int = 0  # the number of the last answer that all who were told are to see
    inhibited_by: int | None = None
    ignored: int | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """What one target has been told of one alert."""

    seq: int = 0  # up to which occurrence; 0: it was told nothing
    severity: Severity | None = None
    at: datetime | None = None  # when it was last told
    window: int = 0  # which of the growing windows applies next
    resolved: bool = False  # the last thing it heard was that it is over
    answer: int = 0  # up to which answer
    asked_level: int = 0  # the latest level of escalation that names it; 0 is none
    level: int = 0  # up to which of them it has been told


@dataclass(frozen=True, slots=True)
class Due:
    """The next thing to tell a target, and when."""

    reason: Reason
    at: datetime
