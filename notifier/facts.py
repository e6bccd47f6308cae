"""The values that pass from stage to stage: what failed, what we think of it, whom to tell, what became of it.

Standard library only, but for the categories, which both apps share. Every value is frozen, so a stage can change
nothing that an earlier one decided. All times are aware datetimes in UTC; local time appears only in what people read.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum

from alerts_runtime.failures.kinds import Category as Category


class Severity(IntEnum):
    """How bad it is. Ordered, so that `severity >= Severity.ERROR` reads as it sounds."""

    INFO = 10
    WARNING = 20
    ERROR = 30
    CRITICAL = 40

    @property
    def label(self) -> str:
        return self.name.lower()


# When one of these breaks it breaks for every event at once: one alert, not one for each event type.
INFRASTRUCTURE = frozenset({Category.DATABASE, Category.NETWORK, Category.STRIPE_API, Category.RATE_LIMIT})


class Reason(StrEnum):
    """Why a target is told something now."""

    FIRST = "first"  # it has not heard of this alert
    UPDATE = "update"  # more occurrences since it was last told
    RAISED = "raised"  # the severity went up
    REPEAT = "repeat"  # a reminder: still open, nobody has acknowledged it
    REOPENED = "reopened"  # told that it was over, and it was not
    ANSWERED = "answered"  # somebody has it, or no longer, or did something about it
    ESCALATED = "escalated"  # a step of its route: nobody has acknowledged it
    RESOLVED = "resolved"  # it is over
    DIGEST = "digest"
    TEST = "test"


# How `resolved_how` begins of an alert that nobody heard of for so long that it is no longer followed: it may still be
# broken.
FORGOTTEN = "forgotten"


class Result(StrEnum):
    """What became of one try to send."""

    SENDING = "sending"  # the call is under way, or the worker died during it
    DELIVERED = "delivered"  # the provider took it
    RETRY = "retry"  # not taken; trying again may help
    REJECTED = "rejected"  # not taken, and never will be
    UNCERTAIN = "uncertain"  # it may or may not have been taken


class Verb(StrEnum):
    """What somebody can say of an alert."""

    ACKNOWLEDGE = "acknowledge"  # somebody has it, for a time
    TAKE_BACK = "take back"  # nobody has it any more
    RESOLVE = "resolve"
    SILENCE = "silence"  # alerts of this kind, for a time
    ESCALATE = "escalate"  # the next step now
    REPLAY = "replay"  # its events that failed
    REHEARSE = "rehearse"  # run them, and take everything back
    TEST = "test"
    COMMENT = "comment"
    IGNORE = "ignore"
    STEP = "step"  # nobody says it: a step of escalation was taken, waits or did not happen


class Note(StrEnum):
    """What a rotation has to say to a person, apart from alerts."""

    HANDOVER = "handover"  # they are on call from now on, and what is open
    DAY_BEFORE = "day-before"
    OVERRIDE = "override"  # somebody takes over, or does not any more


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in the currency's smallest unit (cents, yen, fils), as Stripe writes it."""

    amount: int
    currency: str  # lower case, ISO 4217


NO_CURRENCY = "xxx"  # ISO 4217's own; of an occurrence without an amount: money is at stake, and nobody knows how much


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
    kind: str = (
        ""  # what alerts_runtime.failures made of the exception when it was caught; "" when only its class is known
    )
    transient: bool | None = None  # likewise, with what the site says heals by itself
    peer: str = ""  # the service that it is about: a host, or a name; "" when that is not known
    object_id: str = ""
    customer: str = ""
    money: Money | None = None
    amount_unknown: bool = False  # money is at stake, and the event does not say how much in a way that can be read
    traceback: str = ""
    context: Mapping[str, str] = field(default_factory=dict)
    after_commit: bool = False  # what the event did is committed; a callback of on_commit failed
    not_run: tuple[str, ...] = ()  # by name: the callbacks that did not run then


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the classification makes of a failure."""

    severity: Severity
    category: Category
    transient: bool
    title: str
    hint: str
    fingerprint: str
    rule: str  # the name of the rule that gave it


@dataclass(frozen=True, slots=True)
class Subject:
    """What a matcher can ask about: the same questions of a failure, of an alert and of a dry run."""

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


@dataclass(frozen=True, slots=True)
class Target:
    """One recipient: an address on a channel, or a person, whose address there may change."""

    channel: str  # the alias in NOTIFIER["CHANNELS"]
    kind: str  # slack, slack_webhook, sms, voice, email, console, memory
    address: str  # where it is reached now
    person: str = ""  # key of PEOPLE

    @property
    def key(self) -> str:
        """What stays the same while it is one recipient, for which messages wait and of whom rates are counted."""
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
    """What the pure stages need to know of an alert."""

    id: int
    subject: Subject
    title: str
    count: int
    opened_at: datetime
    last_at: datetime
    burst_at: datetime  # since when failures have come without a quiet period between them
    resolved_at: datetime | None = None
    acknowledged_at: datetime | None = None
    acknowledged_until: datetime | None = None
    acknowledged_severity: Severity | None = None  # how bad it was then
    last_answer: int = 0  # grows with each answer that all who were told are to see
    inhibited_by: int | None = None
    ignored: int | None = None
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """What one target has been told of one alert."""

    seq: int = 0  # up to which occurrence; 0 is nothing
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


@dataclass(frozen=True, slots=True)
class Link:
    text: str
    url: str


@dataclass(frozen=True, slots=True)
class Button:
    """What somebody can answer where a message has buttons. `lasting` is a duration, or "tomorrow"."""

    text: str
    verb: Verb
    alerts: tuple[int, ...]
    lasting: str = ""

    @property
    def value(self) -> str:
        """As it comes back when it is pressed: "118,119:acknowledge:" """
        return f"{','.join(map(str, self.alerts))}:{self.verb}:{self.lasting}"


@dataclass(frozen=True, slots=True)
class Message:
    """What a channel is asked to deliver: plain text in named places; each channel escapes and lays out its own way.

    `texts` never hold markup. `thread` is what the channel returned as `Receipt.thread` for the first message on the
    same alert, so that news can edit it or go below it.
    """

    reason: Reason
    severity: Severity
    title: str  # the headline without its severity: "invoice.paid cannot be processed: database unavailable"
    summary: tuple[str, ...]  # lines: what is at stake, what broke
    action: str = ""  # what to do
    news: str = ""  # what changed since the last message, for a thread or a reminder
    footer: tuple[str, ...] = ()  # why this was sent, what was held
    links: tuple[Link, ...] = ()
    buttons: tuple[Button, ...] = ()
    unsubscribe_url: str = ""  # of a digest, where it goes by mail
    answer_url: str = ""  # where its recipient can answer it: as good as a key, so it is in no text that is kept
    short: str = ""  # for SMS: everything in one sentence
    subject: str = ""  # for email
    html: str = ""  # for email: the whole page; plain text is made of the fields above
    text: str = ""  # the whole message as plain text
    detail: str = ""  # the redacted traceback
    reference: str = ""  # short and unique; appears in the message so that it can be found again
    thread: str = ""
    possible_repeat: bool = False
    state: str = ""  # how it stands now, in one line: what a mail's subject, which never changes, leaves out
    forgotten: bool = False  # RESOLVED, but nobody said that it was fixed


# What a provider answers is kept in columns as long as these, and a test compares them.
PROVIDER_ID = 200
HANDLE = 300
CODE = 100
REFERENCE = 16
MOST_PARTS = 32_767
_UNSTORABLE = dict.fromkeys((0, *range(0xD800, 0xE000)), "\ufffd")  # NUL for PostgreSQL, lone surrogates for UTF-8


def storable(value: object, limit: int) -> str:
    """What an answer gives as an id or a code, as a text that every database takes, cut to its column.

    Only texts and whole numbers are ids: anything else counts as none.
    """
    if type(value) is int and value.bit_length() < 4 * limit:
        value = str(value)
    return value.translate(_UNSTORABLE)[:limit] if isinstance(value, str) else ""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the provider said when it took a message. Whatever it said, the values fit their columns."""

    provider_id: str = ""
    thread: str = ""  # opaque to everyone but the channel that made it
    parts: int = 1  # SMS segments, for the budget
    note: str = ""  # e.g. addresses that were refused while others were taken

    def __post_init__(self) -> None:
        object.__setattr__(self, "provider_id", storable(self.provider_id, PROVIDER_ID))
        thread = storable(self.thread, HANDLE + 1)
        object.__setattr__(self, "thread", thread if len(thread) <= HANDLE else "")  # half a handle is none
        parts = self.parts if type(self.parts) is int else 1
        object.__setattr__(self, "parts", max(0, min(parts, MOST_PARTS)))
        object.__setattr__(self, "note", storable(self.note, 1000))


LONGEST_WAIT = 3600.0  # seconds


def seconds_to_wait(asked: object) -> float | None:
    """What was asked for as seconds that can be waited; None when it is no number. Never more than an hour."""
    try:
        seconds = float(str(asked))
    except ValueError:  # also for the digits of a number that Python does not print
        return LONGEST_WAIT if isinstance(asked, int) and asked > 0 else None
    return None if math.isnan(seconds) else min(max(seconds, 0.0), LONGEST_WAIT)


class DeliveryError(Exception):
    """A message was not (or perhaps not) taken. `result` is RETRY, REJECTED or UNCERTAIN.

    `detail` is for people and has been redacted. `retry_after` is in seconds, as the provider asked, an hour at most.
    `target_dead` says that no other message to this target can succeed either (unsubscribed number), `channel_dead`
    that none of the channel can (revoked token, no credit left). Whatever a provider said, the values fit their
    columns.
    """

    def __init__(
        self,
        result: Result,
        code: str,
        detail: str = "",
        *,
        retry_after: float | None = None,
        target_dead: bool = False,
        channel_dead: bool = False,
    ) -> None:
        code, detail = storable(code, CODE), storable(detail, 2000)
        super().__init__(f"{result}: {code}" + (f": {detail}" if detail else ""))
        self.result = result
        self.code = code
        self.detail = detail
        self.retry_after = seconds_to_wait(retry_after)
        self.target_dead = target_dead or channel_dead
        self.channel_dead = channel_dead


@dataclass(frozen=True, slots=True)
class EventCounts:
    """What became of the events that were received in a period."""

    received: int
    first_time: int  # processed at the first attempt
    recovered: int  # processed after they had failed
    dead: int
    open: int  # not processed yet
