"""What a person can say about an alert, as values. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from notifier.facts import Verb

__all__ = ["NEWS", "Answer", "Asker", "Command", "Through", "Verb"]

Through = Literal["slack", "sms", "voice", "link", "page", "command", "admin"]


# Verbs of which everybody who was told of the alert is told too.
NEWS = frozenset(
    {
        *(Verb.ACKNOWLEDGE, Verb.TAKE_BACK, Verb.SILENCE, Verb.UNSILENCE, Verb.ESCALATE, Verb.REPLAY),
        *(Verb.NEVER_AGAIN, Verb.RUN_AGAIN),
    }
)


@dataclass(frozen=True, slots=True)
class Asker:
    """Who answers, through what, and from which address. `at`: when, if the provider says that."""

    person: str
    through: Through
    address: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Command:
    """What somebody asks for. `duration`: of an acknowledgement or a silence; None: the site's default.

    `event_id`: which of the alert's events is meant, by a verb that is about one.
    """

    verb: Verb
    alert_id: int
    duration: timedelta | None = None
    text: str = ""
    event_id: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether anything changed, and what the asker is told."""

    changed: bool
    sentence: str
