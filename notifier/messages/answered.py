"""Answers in words: for an alert's log, for its messages, and for the reply to whoever gave the answer. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from notifier.facts import Verb
from notifier.messages.wording import about, clock, counted, shorten

if TYPE_CHECKING:
    from notifier.models import Alert, LogEntry

NAME = 60  # characters
WORDS = 200

_DID = {
    Verb.ACKNOWLEDGE: "acknowledged it",
    Verb.TAKE_BACK: "took back the acknowledgement",
    Verb.RESOLVE: "resolved it",
    Verb.SILENCE: "silenced its kind",
    Verb.UNSILENCE: "ended the silence of its kind",
    Verb.ESCALATE: "escalated it",
    Verb.REPLAY: "replayed its events",
    Verb.REHEARSE: "rehearsed a replay",
    Verb.TEST: "sent a test",
    Verb.COMMENT: "commented",
    Verb.IGNORE: "ignores its kind",
    Verb.NEVER_AGAIN: "decided that an event is never run again",
    Verb.RUN_AGAIN: "let an event be run again",
}
_THROUGH = {
    "slack": "in Slack",
    "sms": "by SMS",
    "voice": "by telephone",
    "link": "by a link",
    "page": "on its page",
    "command": "by command",
    "admin": "in the admin",
}


@dataclass(frozen=True, slots=True)
class Said:
    """One line of an alert's log."""

    who: str
    verb: Verb
    at: datetime
    through: str = ""
    until: datetime | None = None
    detail: str = ""  # the result in numbers, such as "3 events"
    text: str = ""  # the person's own words
    uninvited: bool = False  # others were paged, and not this person


def said(entry: LogEntry) -> Said:
    """A log entry as a value, for the functions below."""
    return Said(
        who=entry.who,
        verb=Verb(entry.verb),
        at=entry.at,
        through=entry.through,
        until=entry.until,
        detail=entry.detail,
        text=entry.text,
        uninvited=entry.uninvited,
    )


def story(said: Said, now: datetime, tz: str) -> str:
    """ "Ana acknowledged it by SMS, until 03:10 UTC" """
    if said.verb is Verb.STEP:
        return shorten(said.detail, WORDS)
    through = _THROUGH.get(said.through, "")
    parts = [
        " ".join(part for part in (_who(said), _DID[said.verb], through) if part),
        f"until {clock(said.until, now, tz)}" if said.until else "",
        shorten(said.detail, WORDS),
    ]
    line = ", ".join(part for part in parts if part)
    return f"{line}: {shorten(said.text, WORDS)}" if said.text else line


def already(said: Said, now: datetime, tz: str) -> str:
    """ "Ana acknowledged it 2 minutes ago, until 03:10 UTC" """
    until = f", until {clock(said.until, now, tz)}" if said.until else ""
    return f"{_who(said)} {_DID[said.verb]} {ago(said.at, now)}{until}"


def ago(at: datetime, now: datetime) -> str:
    """ "just now", "2 minutes ago", "3 h ago" """
    age = now - at
    minutes = int(age.total_seconds() // 60)
    if minutes < 1:
        return "just now"
    return f"{counted(minutes, 'minute')} ago" if minutes < 60 else f"{about(age)} ago"


def done(verb: Verb, number: int, until: datetime | None, detail: str, now: datetime, tz: str) -> str:
    """The reply after an answer took effect: "Alert 118: acknowledged until 03:10 UTC." """
    if verb is Verb.REPLAY:
        return f"Alert {number}: {detail} to be processed again."
    if verb is Verb.REHEARSE:
        return f"Alert {number}: {detail}."
    if verb is Verb.TEST:
        return f"Alert {number}: the way back works. Nothing was changed."
    if verb is Verb.NEVER_AGAIN:
        return f"{detail} is never run again: by no retry, no replay and no resend."
    if verb is Verb.RUN_AGAIN:
        return f"{detail} may be run again. It is given up until somebody does."
    words = {
        Verb.ACKNOWLEDGE: "acknowledged",
        Verb.TAKE_BACK: "the acknowledgement is taken back; messages go on",
        Verb.RESOLVE: "resolved",
        Verb.SILENCE: "its kind is silenced",
        Verb.UNSILENCE: "its kind is told again",
        Verb.COMMENT: "noted",
        Verb.IGNORE: "nobody is told of its kind any more",
        Verb.ESCALATE: "escalated",
    }.get(verb, "done")
    end = f" until {clock(until, now, tz)}" if until else ""
    return f"Alert {number}: {words}{end}{f', {detail}' if detail else ''}."


def how_it_stands(alert: Alert, now: datetime, tz: str) -> str:
    """ "Alert 118: open since 02:10 UTC, Ana acknowledged it 2 minutes ago, until 03:10 UTC." """
    if alert.resolved_at is not None:
        return f"Alert {alert.pk}: {over(alert.resolved_at, alert.resolved_how, now, tz)}."
    has_it = "nobody has acknowledged it"
    if alert.acknowledged_until is not None and alert.acknowledged_until > now:
        at = alert.acknowledged_at or alert.opened_at
        has_it = already(Said(alert.acknowledged_by, Verb.ACKNOWLEDGE, at, until=alert.acknowledged_until), now, tz)
    return f"Alert {alert.pk}: open since {clock(alert.opened_at, now, tz)}, {has_it}."


def over(resolved_at: datetime, how: str, now: datetime, tz: str) -> str:
    """ "over since 02:41 UTC, by Ana" """
    by = f", {shorten(how, NAME)}" if how else ""
    return f"over since {clock(resolved_at, now, tz)}{by}"


def _who(said: Said) -> str:
    name = shorten(said.who, NAME) or "Somebody"
    return f"{name} (who was not paged)" if said.uninvited else name
