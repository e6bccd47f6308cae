"""Texts that any channel can send: printable, on one line, cut where it shows. Pure."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from notifier.facts import Link, Message, Reason

CUT = " … (cut)"
POSSIBLE_REPEAT = "Possible repeat: the last try broke off before an answer came."

# Control characters can move a terminal's cursor or end a header; direction overrides can make a text read as another.
_DROPPED = (
    *range(0x09),
    0x0B,
    0x0C,
    *range(0x0E, 0x20),
    *range(0x7F, 0xA0),
    *range(0x202A, 0x202F),
    *range(0x2066, 0x206A),
)
_PRINTABLE: dict[int, str | None] = dict.fromkeys(_DROPPED) | {0x0D: "\n", 0x2028: "\n", 0x2029: "\n"}

# The beginning of news where the first message does not stand above it.
_LEADS = {
    Reason.RAISED: "Raised to {severity}",
    Reason.REPEAT: "Still open",
    Reason.REOPENED: "Open again",
    Reason.ESCALATED: "Escalated",
    Reason.RESOLVED: "Resolved",
}


def printable(text: str) -> str:
    """Without control characters, direction overrides and lone surrogates; newlines and tabs stay."""
    return text.replace("\r\n", "\n").translate(_PRINTABLE).encode("utf-8", "replace").decode()


def one_line(text: str) -> str:
    return " ".join(text.split())


def cut(text: str, limit: int, mark: str = CUT) -> str:
    """At most `limit` characters of the text, with `mark` at the end when some were cut."""
    return text if len(text) <= limit else text[: limit - len(mark)].rstrip() + mark


def headline(message: Message) -> str:
    """The severity and the title in one line: "Critical: invoice.paid cannot be processed", "Resolved: ..."."""
    title = one_line(message.title)
    if message.reason in (Reason.DIGEST, Reason.TEST):
        return title
    if message.reason is Reason.RESOLVED:
        return title if message.forgotten or title.lower().startswith("resolved") else f"Resolved: {title}"
    return f"{message.severity.label.capitalize()}: {title}"


def follow_up(message: Message) -> str:
    """The headline of news for channels that have no threads: "Raised to critical: ..."."""
    lead = _LEADS.get(message.reason)
    if lead is None or message.reason is Reason.RESOLVED:
        return headline(message)
    return f"{lead.format(severity=message.severity.label)}: {one_line(message.title)}"


def plain(message: Message) -> str:
    """The whole message as plain text: its `text`, or else its parts in lines."""
    if message.text:
        return message.text
    lines = [
        message.state,
        headline(message),
        *message.summary,
        f"Do: {message.action}" if message.action else "",
        message.news,
        POSSIBLE_REPEAT if message.possible_repeat else "",
        *message.footer,
        *(f"{link.text}: {link.url}" for link in message.links),
    ]
    return "\n".join(line for line in lines if line)


def printable_message(message: Message) -> Message:
    """The same message with every text in it made printable."""
    return replace(message, **{field.name: _printable_value(getattr(message, field.name)) for field in fields(Message)})


def _printable_value(value: Any) -> Any:
    if type(value) is str:  # not isinstance: a Reason is a str too, and must stay a Reason
        return printable(value)
    if isinstance(value, Link):
        return Link(printable(value.text), printable(value.url))
    if isinstance(value, tuple):
        return tuple(_printable_value(item) for item in value)
    return value
