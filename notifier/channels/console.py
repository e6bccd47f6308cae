"""Prints messages instead of sending them: the console twin of a channel without credentials, in development."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

from notifier.channels.base import Channel
from notifier.channels.gsm7 import compose, segments
from notifier.channels.text import follow_up, headline, one_line, plain
from notifier.facts import Message, Reason, Receipt, Severity

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

_COLOURS = {
    Severity.CRITICAL: "red",
    Severity.ERROR: "dark_orange",
    Severity.WARNING: "yellow",
    Severity.INFO: "blue",
}
WIDTH = 100


class Console(Channel):
    """Prints to standard output, in the form of the kind that the option `as` names; slack by default."""

    kind = "console"
    address_is_a_name = True
    wakes = False
    wants_html = False
    OPTIONS = Channel.OPTIONS | {"as"}

    def words(self, message: Message) -> str:
        return _short(message) if self.option("as") == "sms" else message.text

    def send(self, address: str, message: Message) -> Receipt:
        if find_spec("rich") is None:
            sys.stdout.write(f"--- {self.option('as', 'slack')} to {address}\n{self.words(message)}\n---\n")
            return Receipt(provider_id="console", thread=message.thread or "console")
        from rich.console import Console as Terminal
        from rich.panel import Panel

        looks = {"sms": _sms, "email": _email}
        twin = self.option("as", "slack")
        title, body, parts = looks.get(twin, _card)(message)
        terminal = Terminal(highlight=False, markup=False, emoji=False)
        terminal.print(
            Panel(
                body,
                title=_words(f"{twin} to {address}{title}"),
                title_align="left",
                border_style=_colour(message),
                width=min(WIDTH, terminal.width),
            )
        )
        return Receipt(provider_id="console", thread=message.thread or "console", parts=parts)


def _card(message: Message) -> tuple[str, RenderableType, int]:
    from rich.console import Group

    top = follow_up(message) if message.thread else headline(message)
    lines = [_words(f"● {top}", f"bold {_colour(message)}"), *map(_words, message.summary)]
    if message.action:
        lines.append(_words("Do:", "bold").append(f" {one_line(message.action)}", style="not bold"))
    if message.news:
        lines.append(_words(message.news))
    footer = [*(f"{link.text} <{link.url}>" for link in message.links), *message.footer]
    lines.append(_words(" · ".join(footer), "dim"))
    return "", Group(*lines), 1


def _sms(message: Message) -> tuple[str, RenderableType, int]:
    body = _short(message)
    parts = segments(body)
    return f" ({parts} segment{'s' if parts > 1 else ''})", _words(body), parts


def _short(message: Message) -> str:
    return compose(message.short or headline(message), message.reference)


def _email(message: Message) -> tuple[str, RenderableType, int]:
    from rich.console import Group
    from rich.rule import Rule

    subject = _words(f"Subject: {message.subject or message.title}", "bold")
    return "", Group(subject, Rule(style="dim"), *map(_words, plain(message).split("\n"))), 1


def _colour(message: Message) -> str:
    if message.reason is Reason.RESOLVED:
        return "white" if message.forgotten else "green"
    return _COLOURS[message.severity]


def _words(text: str, style: str = "") -> Text:
    """A text that rich prints as it is, brackets too."""
    from rich import text as rich_text

    return rich_text.Text(one_line(text), style=style)
