"""What a person can say about an alert, as values. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from notifier.facts import Verb

__all__ = ["NEWS", "Answer", "Asker", "Command", "Through", "Verb"]

Through = Literal["slack", "sms", "voice", "link", "page", "command", "admin"]


# What all who were told of the alert are to see.
NEWS = frozenset({Verb.ACKNOWLEDGE, Verb.TAKE_BACK, Verb.SILENCE, Verb.ESCALATE, Verb.REPLAY})


@dataclass(frozen=True, slots=True)
class Asker:
    """Who says it, through what, and from where. `at` is when, as the provider says; None when it does not say."""

    person: str
    through: Through
    address: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Command:
    """`duration` is for how long an acknowledgement or a silence lasts; None is as the site has it."""

    verb: Verb
    alert_id: int
    duration: timedelta | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether anything changed, and what the asker is told."""

    changed: bool
    sentence: str
