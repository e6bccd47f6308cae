"""A message as Slack's Block Kit: https://docs.slack.dev/reference/block-kit/blocks. Pure.

No text of a message may mention somebody, link or format anything. Slack has escapes for `&`, `<` and `>` only. Other
characters that would format are replaced by one that looks alike, or are separated from the next character by one that
is not shown. `verbatim` keeps Slack from looking for links, channels and people in the rest.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import quote

from notifier.channels.text import CUT, POSSIBLE_REPEAT, cut, follow_up, headline, one_line
from notifier.facts import Link, Message, Reason, Severity, Verb

Block = dict[str, Any]

# Slack's limits: a section 3,000 characters, a message 50 blocks, and 13,200 or so in all, which is not documented:
# https://github.com/slackapi/bolt-js/issues/2509. Below them, since how Slack counts is not documented either.
SECTION = 2900
LINE = 1500
TOTAL = 10_000
CONTEXT = 2000
TEXT = 3900  # of the notification; Slack advises 4,000
BRIEF = 1000
HEADLINE = 250
DETAILS = 2900
URL = 2000

_MARKS = {
    Severity.CRITICAL: ":red_circle:",
    Severity.ERROR: ":large_orange_circle:",
    Severity.WARNING: ":large_yellow_circle:",
    Severity.INFO: ":large_blue_circle:",
}
_JOINER = "\u034f"  # combining grapheme joiner: not seen, and neither a word's end nor its beginning
_LOOKALIKES = str.maketrans({"`": "'", "*": "∗", "~": "∼"})  # noqa: RUF001 - that they look alike is their purpose
_TO_PART = re.compile(
    r"(?<=@)(?=channel|here|everyone)"  # mentions
    r"|(?<!\w)(?=_)"  # italics begin at a word's beginning
    r"|(?<=:)(?![0-9]{1,2}:)(?=[a-z0-9_+'-]{1,100}+:)"  # emoji; a time of day is none
    r"|^(?=&gt;)",  # a quotation
    re.IGNORECASE,
)


def mark(message: Message) -> str:
    """The one emoji of a message: its status."""
    if message.reason is Reason.RESOLVED and not message.forgotten:
        return ":large_green_circle:"
    if message.reason in (Reason.TEST, Reason.RESOLVED):
        return ":white_circle:"
    return _MARKS[message.severity]


def card(message: Message, *, buttons: bool = False) -> list[Block]:
    """The whole message, as it is posted first and as it is edited later. `buttons`: whether it has any."""
    lines = [_head(message, headline(message)), *map(escape, message.summary), *_what_now(message)]
    footer = [*map(_link, message.links), *map(escape, message.footer)]
    return [*_sections(lines), *_context(message, footer), *(_actions(message) if buttons else [])]


def news(message: Message) -> list[Block]:
    """What is posted in the thread: the news alone; or, if it is shown in the channel too, with what it is about."""
    if message.reason in (Reason.UPDATE, Reason.ANSWERED) and message.news:
        return [*_sections([escape(message.news)]), *_context(message, _deliveries(message))]
    lines = [_head(message, follow_up(message)), *_what_now(message)]
    return [*_sections(lines), *_context(message, [*map(_link, message.links), *_deliveries(message)])]


def details(message: Message) -> list[Block]:
    """What goes below a first message: where it broke. The text of this block is shown as it stands, markup and all.

    https://docs.slack.dev/reference/block-kit/blocks/rich-text-block
    """
    text = message.detail if len(message.detail) <= DETAILS else f"{CUT.strip()}\n{message.detail[-DETAILS:]}"
    code = {"type": "rich_text_preformatted", "elements": [{"type": "text", "text": text}]}
    return [{"type": "rich_text", "elements": [code]}]


def notification(message: Message) -> str:
    """The text for notifications and screen readers, which do not show blocks."""
    lines = [follow_up(message), message.news, *message.summary, message.action]
    return _cut("\n".join(escape(line) for line in lines if line), TEXT)


def brief(message: Message) -> str:
    """The message in one plain line, for when Slack refuses its blocks."""
    return _cut(escape(message.short or follow_up(message)), BRIEF)


def escape(text: str) -> str:
    """One line that Slack shows as it is, without markup, mentions, links or emoji; cut at LINE characters."""
    line = cut(one_line(text), LINE).translate(_LOOKALIKES)
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _TO_PART.sub(_JOINER, line)


def _head(message: Message, line: str) -> str:
    return f"{mark(message)} *{escape(cut(line, HEADLINE))}*"


def _what_now(message: Message) -> list[str]:
    action = f"*Do:* {escape(message.action)}" if message.action else ""
    return [line for line in (action, escape(message.news)) if line]


def _deliveries(message: Message) -> list[str]:
    """ "Meanwhile: oncall (+49…78): told 02:10 UTC, arrived; …" """
    return [f"Meanwhile: {escape('; '.join(message.deliveries))}"] if message.deliveries else []


def _link(link: Link) -> str:
    url = quote(link.url, safe=":/?#[]@!$&'()+,;=%-._~").replace("&", "&amp;")
    if not url.startswith(("https://", "http://")) or len(url) > URL:
        return escape(link.text)
    return f"<{url}|{escape(link.text)}>"


def _actions(message: Message) -> list[Block]:
    """https://docs.slack.dev/reference/block-kit/blocks/actions-block"""
    elements: list[Block] = []
    for number, button in enumerate(message.buttons):
        element = {
            "type": "button",
            "action_id": f"answer_{number}",
            "text": {"type": "plain_text", "text": button.text},
            "value": button.value,
        }
        elements.append(element | ({"style": "primary"} if button.verb is Verb.ACKNOWLEDGE else {}))
    return [{"type": "actions", "elements": elements}] if elements else []


def _sections(lines: Sequence[str]) -> list[Block]:
    """The lines in as few sections as possible; lines that do not fit into a message are counted in the last one."""
    texts: list[str] = []
    room = TOTAL
    for number, line in enumerate(_cut(line, LINE) for line in lines):
        room -= len(line) + 1
        if room < 0:
            texts.append(f"… {len(lines) - number} more lines (cut)")
            break
        if texts and len(texts[-1]) + 1 + len(line) <= SECTION:
            texts[-1] += "\n" + line
        else:
            texts.append(line)
    return [{"type": "section", "text": _mrkdwn(text)} for text in texts if text]


def _context(message: Message, parts: Iterable[str]) -> list[Block]:
    """One line in small print. Parts that do not fit are left out, never cut: half a link would be none."""
    kept, left_out = "", 0
    for part in [POSSIBLE_REPEAT if message.possible_repeat else "", *parts]:
        longer = f"{kept} · {part}" if kept and part else kept or part
        kept, left_out = (longer, left_out) if len(longer) <= CONTEXT else (kept, left_out + 1)
    text = f"{kept} · … {left_out} more (cut)" if left_out else kept
    return [{"type": "context", "elements": [_mrkdwn(text)]}] if text else []


def _mrkdwn(text: str) -> Block:
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _cut(escaped: str, limit: int) -> str:
    """Cut an escaped text, but not within `&amp;` and the like."""
    if len(escaped) <= limit:
        return escaped
    return re.sub(r"&[a-z]{0,3}$", "", escaped[: limit - len(CUT)]).rstrip() + CUT
