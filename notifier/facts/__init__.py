"""The values that are passed between the stages: the failure, the verdict, recipients, messages and outcomes.

They use the standard library only, except for the categories, which both apps share. Every value is frozen, so that a
stage cannot change what an earlier one decided. All times are aware datetimes in UTC; only texts have local times.
"""

from notifier.facts.enums import (
    FAILING,
    FORGOTTEN,
    INFRASTRUCTURE,
    NEVER_AGAIN,
    Category,
    HeldBy,
    Note,
    Reason,
    Result,
    Severity,
    Verb,
    WaitsFor,
)
from notifier.facts.failure import NO_CURRENCY, EventCounts, Failure, Frame, Money, Subject, Verdict
from notifier.facts.message import Button, Link, Message
from notifier.facts.outcome import (
    CODE,
    HANDLE,
    PROVIDER_ID,
    REFERENCE,
    DeliveryError,
    Receipt,
    seconds_to_wait,
    storable,
)
from notifier.facts.telling import AlertState, Due, Recipient, Timing, Told

__all__ = [
    "CODE", "FAILING", "FORGOTTEN", "HANDLE", "INFRASTRUCTURE", "NEVER_AGAIN", "NO_CURRENCY", "PROVIDER_ID",
    "REFERENCE",
    "AlertState", "Button", "Category", "DeliveryError", "Due", "EventCounts", "Failure", "Frame", "HeldBy", "Link",
    "Message", "Money", "Note", "Reason", "Receipt", "Recipient", "Result", "Severity", "Subject", "Timing", "Told",
    "Verb", "Verdict", "WaitsFor", "seconds_to_wait", "storable",
]  # fmt: skip
