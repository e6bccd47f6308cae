"""A message as people would see it: laid out as Slack does, as an SMS with its segments, as a mail. Pure.

An address where its recipient could answer is in none of them: it is as good as a key.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from notifier.channels import blocks, gsm7
from notifier.channels.text import headline
from notifier.facts import Message

# Drawn, since not every machine has a font with them.
_EMOJI = {
    ":red_circle:": "red",
    ":large_orange_circle:": "orange",
    ":large_yellow_circle:": "yellow",
    ":large_blue_circle:": "blue",
    ":large_green_circle:": "green",
    ":white_circle:": "white",
}
_MARKUP = re.compile(r"<(?P<url>[^|>]+)\|(?P<link>[^>]*)>|\*(?P<bold>[^*\n]+)\*|(?P<emoji>:[a-z_]+:)|(?P<line>\n)")
_NOWHERE = "[link]"


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a message in Slack. `kind`: text, small or buttons."""

    kind: str
    html: SafeString | str = ""
    buttons: tuple[tuple[str, bool], ...] = ()  # its text, and whether it is the one that stands out


@dataclass(frozen=True, slots=True)
class Sms:
    text: str
    segments: int
    septets: int


def slack(message: Message, *, buttons: bool) -> list[Part]:
    """Its blocks, as the channel posts them."""
    return [part for block in blocks.card(message, buttons=buttons) for part in _parts(block)]


def in_thread(message: Message) -> list[Part]:
    """What goes below the first message, which is edited; nothing when this is the first."""
    return [part for block in blocks.news(message) for part in _parts(block)] if message.thread else []


def sms(message: Message) -> Sms:
    text = gsm7.compose(message.short or headline(message), message.reference)
    return Sms(_without_key(text, message), gsm7.segments(text), gsm7.septets(text))


def plain(message: Message) -> str:
    return _without_key(message.text, message)


def mail(message: Message) -> str:
    """The whole page that is the mail; its links lead nowhere."""
    return re.sub(r'(?<=href=")[^"]*', "#", message.html)


def _without_key(text: str, message: Message) -> str:
    return text.replace(message.answer_url, _NOWHERE) if message.answer_url else text


def _parts(block: blocks.Block) -> Iterator[Part]:
    if block["type"] == "section":
        yield Part("text", _marked_up(block["text"]["text"]))
    elif block["type"] == "context":
        yield Part("small", _joined([_marked_up(element["text"]) for element in block["elements"]]))
    elif block["type"] == "actions":
        yield Part("buttons", buttons=tuple(_button(element) for element in block["elements"]))


def _button(element: dict[str, Any]) -> tuple[str, bool]:
    return element["text"]["text"], element.get("style") == "primary"


def _marked_up(text: str) -> SafeString:
    """What `blocks` writes of Slack's markup: links, bold, one emoji, lines. All else is text."""
    found, end = list[SafeString](), 0
    for match in _MARKUP.finditer(text):
        found += [_plain(text[end : match.start()]), _one(match)]
        end = match.end()
    return _joined([*found, _plain(text[end:])])


def _one(match: re.Match[str]) -> SafeString:
    if match["link"] is not None:
        return format_html('<span class="as-link">{}</span>', _plain(match["link"]))
    if match["bold"]:
        return format_html("<strong>{}</strong>", _marked_up(match["bold"]))
    if match["line"]:
        return mark_safe("<br>")
    if match["emoji"] in _EMOJI:
        return format_html('<span class="as-circle {}"></span>', _EMOJI[match["emoji"]])
    return _plain(match["emoji"])


def _plain(text: str) -> SafeString:
    """Slack escapes three characters, and a browser more."""
    return format_html("{}", html.unescape(text))


def _joined(parts: Sequence[SafeString]) -> SafeString:
    return mark_safe("".join(parts))  # noqa: S308 - each is escaped
