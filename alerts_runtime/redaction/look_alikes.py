"""Replaces look-alike and invisible characters by plain ones, so that patterns match what a reader sees. Pure.

Also what no database, encoding or terminal should get: PostgreSQL refuses NUL, UTF-8 refuses lone surrogates, and other
control characters, those that turn the direction of writing included, can rewrite what stands on a screen.
"""

from __future__ import annotations

import re

_REPLACED = dict.fromkeys((0, *range(0xD800, 0xE000)), "\ufffd")
_CONTROLS = (code for code in (*range(1, 0x20), *range(0x7F, 0xA0)) if chr(code) not in "\n\t")
_INVISIBLE = (0xAD, 0x180E, 0x200B, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2060, 0x2070), 0xFEFF)
_SPACES = (0xA0, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000)
_FULL_WIDTH = {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}  # as Japanese forms have them
_ONE_FORM: dict[int, str | None] = {
    **_REPLACED,
    **dict.fromkeys((*_CONTROLS, *_INVISIBLE)),
    **dict.fromkeys(_SPACES, " "),
    **dict.fromkeys((0x2010, 0x2011), "-"),
    **_FULL_WIDTH,
}
# They join letters of Persian and parts of an emoji; beside a character of ASCII they only hide it.
_JOINERS = re.compile(r"(?<=[!-~])[\u200c\u200d]++|[\u200c\u200d]++(?=[!-~])")


def in_one_form(text: str) -> str:
    """The text as it reads, in characters that can be stored and shown. Doing it twice changes nothing."""
    text = text.translate(_ONE_FORM)
    return text if text.isascii() else _JOINERS.sub("", text)
