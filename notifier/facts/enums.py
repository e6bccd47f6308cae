"""The enums: severities, categories, reasons of a message, results of an attempt, and what people can answer."""

from __future__ import annotations

from enum import IntEnum, StrEnum

from alerts_runtime.failures.kinds import Category as Category


class Severity(IntEnum):
    """How bad an alert is. Ordered, so that `severity >= Severity.ERROR` works."""

    INFO = 10
    WARNING = 20
    ERROR = 30
    CRITICAL = 40

    @property
    def label(self) -> str:
        return self.name.lower()


# A trouble of one of these categories concerns every event, so it is one alert, and not one for each event type.
INFRASTRUCTURE = frozenset({Category.DATABASE, Category.NETWORK, Category.STRIPE_API, Category.RATE_LIMIT})


class Reason(StrEnum):
    """Why a target is told something now."""

    FIRST = "first"  # it has not heard of this alert
    UPDATE = "update"  # there are more occurrences since it was last told
    RAISED = "raised"  # the severity went up
    REPEAT = "repeat"  # a reminder: still open, nobody has acknowledged it
    REOPENED = "reopened"  # it was told that the alert is over, and it failed again
    ANSWERED = "answered"  # somebody acknowledged it, took that back, or did something else about it
    ESCALATED = "escalated"  # an escalation step of its route, as nobody has acknowledged the alert
    RESOLVED = "resolved"  # it is over
    DIGEST = "digest"
    TEST = "test"


# How `resolved_how` begins of an alert that ended for lack of failures ("FORGET_AFTER"): it may still be broken.
FORGOTTEN = "forgotten"

# `recovered_how` of the failures of an event that somebody decided never to run again: settled, but not recovered.
NEVER_AGAIN = "never again"


class Result(StrEnum):
    """The outcome of one attempt to send a message."""

    SENDING = "sending"  # the call is under way, or the worker died during it
    DELIVERED = "delivered"  # the provider accepted it
    RETRY = "retry"  # not accepted; trying again may help
    REJECTED = "rejected"  # not accepted, and never will be
    UNCERTAIN = "uncertain"  # nobody knows whether it was accepted


class HeldBy(StrEnum):
    """What holds a message, or ended it. Most have a reference: a number, a name, or why."""

    SILENCE = "silence"
    IGNORED = "ignored"
    INHIBITED = "inhibited"  # by the alert of that number
    ACKNOWLEDGED = "acknowledged"
    QUIET_HOURS = "quiet_hours"
    BUDGET = "budget"
    DIVERTED = "diverted"  # others stand in for its target
    ENDED = "ended"  # nothing is left to tell

    def words(self, ref: str) -> str:
        """For lists and logs: "silence 3", "quiet hours night", "budget spent"."""
        return {
            HeldBy.INHIBITED: f"inhibited by alert {ref}",
            HeldBy.QUIET_HOURS: f"quiet hours {ref}",
            HeldBy.BUDGET: "budget spent",
            HeldBy.DIVERTED: f"diverted: {ref}",
            HeldBy.ENDED: ref,
        }.get(self, f"{self} {ref}".strip())


class WaitsFor(StrEnum):
    """What everything for one target waits for."""

    RATE = "rate"  # room in its rate
    PAUSE = "pause"  # the end of a pause that its provider asked for
    PROVIDER = "provider"  # a provider that failed several times in a row

    def words(self, ref: str) -> str:
        """What follows "waits for": "its rate (5 in 0:15:00)", "its provider, which asks for a pause (429)"."""
        return {
            WaitsFor.RATE: f"its rate ({ref})" if ref else "its rate",
            WaitsFor.PAUSE: f"its provider, which asks for a pause ({ref})",
            WaitsFor.PROVIDER: f"its provider, which fails ({ref})",
        }[self]


FAILING = (WaitsFor.PAUSE, WaitsFor.PROVIDER)


class Verb(StrEnum):
    """What people can do with an alert: the kinds of entries in its log."""

    ACKNOWLEDGE = "acknowledge"  # for a time
    TAKE_BACK = "take back"  # the acknowledgement
    RESOLVE = "resolve"
    SILENCE = "silence"  # tell nobody of alerts of this kind, for a time
    UNSILENCE = "unsilence"  # end that
    ESCALATE = "escalate"  # take the next step now
    REPLAY = "replay"  # process its failed events again
    REHEARSE = "rehearse"  # process them, and roll everything back
    TEST = "test"
    COMMENT = "comment"
    IGNORE = "ignore"
    NEVER_AGAIN = "never again"  # give one of its events up for good
    RUN_AGAIN = "may run again"  # take that back
    STEP = "step"  # not by a person: a step of escalation was taken, waits or did not happen


class Note(StrEnum):
    """The kinds of notes that are sent to people about a rotation."""

    HANDOVER = "handover"  # they are on call from now on, and what is open
    DAY_BEFORE = "day-before"
    OVERRIDE = "override"  # somebody takes over, or that was undone
    UNANSWERED = "unanswered"  # the test page of a handover was not answered, or was later
