"""The fixed sets: how bad, of which kind, why a target is told, what became of a try, what people say."""

from __future__ import annotations

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

# How an event's failures are settled that somebody decided never to run again: nothing waits, and nothing is recovered.
NEVER_AGAIN = "never again"


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
    UNSILENCE = "unsilence"  # not any longer
    ESCALATE = "escalate"  # the next step now
    REPLAY = "replay"  # its events that failed
    REHEARSE = "rehearse"  # run them, and take everything back
    TEST = "test"
    COMMENT = "comment"
    IGNORE = "ignore"
    NEVER_AGAIN = "never again"  # one of its events is not to be run any more
    RUN_AGAIN = "may run again"  # and that is taken back
    STEP = "step"  # nobody says it: a step of escalation was taken, waits or did not happen


class Note(StrEnum):
    """What a rotation has to say to a person, apart from alerts."""

    HANDOVER = "handover"  # they are on call from now on, and what is open
    DAY_BEFORE = "day-before"
    OVERRIDE = "override"  # somebody takes over, or does not any more
    UNANSWERED = "unanswered"  # who came on call has not answered the test page, or has after all
