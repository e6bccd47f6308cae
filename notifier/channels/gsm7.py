"""Text for an SMS: the GSM 7-bit alphabet, septets and segments (3GPP TS 23.038). Pure.

One character outside the alphabet makes the whole message UCS-2, of which a segment has 70 characters instead of 160:
the same text then costs twice as much.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from notifier.channels.text import one_line

BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENDED = frozenset("^{}\\[~]|€")  # after an escape: two septets each
SINGLE = 160  # septets in a message of one segment
JOINED = 153  # septets in each of several segments; the others say which parts belong together
CUT = "..."

# For characters that Unicode does not decompose into ones of the alphabet. They look odd on purpose (RUF001).
# fmt: off
_SPOKEN = {
    **dict.fromkeys("‘’‚‛‹›`´′", "'"), **dict.fromkeys("“”„‟«»″", '"'), **dict.fromkeys("‐‑‒–—―−·•∙", "-"),  # noqa: RUF001
    "€": "EUR", "©": "(c)", "®": "(R)", "→": "->", "←": "<-", "⇒": "=>", "≥": ">=", "≤": "<=", "≠": "!=",
    "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "ð": "d", "Ð": "D", "þ": "th", "Þ": "Th", "œ": "oe", "Œ": "OE",
    "×": "x", "⁄": "/", "ı": "i",  # noqa: RUF001
}
# fmt: on


def gsm7(text: str) -> str:
    """The text as one line in the alphabet: accents that it lacks are dropped, what has no substitute becomes "?"."""
    return one_line("".join(map(_character, one_line(unicodedata.normalize("NFC", text)))))


def septets(text: str) -> int:
    return sum(map(_cost, text))


def segments(text: str) -> int:
    """The number of segments that a text takes. A character of two septets is never split between two segments."""
    if septets(text) <= SINGLE:
        return 1
    count, room = 1, JOINED
    for cost in map(_cost, text):
        if cost > room:
            count, room = count + 1, JOINED
        room -= cost
    return count


def compose(text: str, reference: str, limit: int = 2) -> str:
    """The text with the reference in it, in at most `limit` segments; what is cut shows as "..."."""
    body, mark = gsm7(text[: 4 * limit * JOINED]), gsm7(reference)  # what is cut here would not fit anyway
    if mark in body.split() and segments(body) <= limit:
        return body
    tail = f" {mark}" if mark else ""
    body = one_line(body.replace(mark, "") if mark else body)
    if segments(body + tail) <= limit:
        return body + tail
    body = body[: limit * JOINED]
    while body and segments(body + CUT + tail) > limit:
        body = body[:-1].rstrip()
    return body + CUT + tail


def _cost(character: str) -> int:
    return 2 if character in EXTENDED else 1


@lru_cache(maxsize=1024)
def _character(character: str) -> str:
    if character in _SPOKEN:
        return _SPOKEN[character]
    if character in BASIC or character in EXTENDED:
        return character
    if unicodedata.category(character) in ("Mn", "Cf"):  # a mark above a letter, or nothing that shows
        return ""
    parts = [part for part in unicodedata.normalize("NFKD", character) if not unicodedata.combining(part)]
    spoken = "".join(_SPOKEN.get(part, part) for part in parts)
    return spoken if spoken and all(part in BASIC or part in EXTENDED for part in spoken) else "?"
