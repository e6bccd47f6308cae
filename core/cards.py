"""Finds card numbers among other numbers: by their length, their first digit, their check digit and their groups."""

from __future__ import annotations

import re

SHORTEST, LONGEST = 13, 19  # ISO/IEC 7812-1
FIRST_DIGITS = "23456"  # of the card networks; a timestamp in milliseconds or finer begins with 1
GROUP = 4  # digits on a card stand in groups of four to six; those of a date do not

_DIGITS = re.compile(r"[0-9]{4,}+(?:[ -]{1,2}[0-9]++)*+")


def hide_cards(text: str, mark: str) -> str:
    """The text with each card number (contiguous, or in groups with spaces or dashes) replaced by the mark."""
    return _DIGITS.sub(lambda found: _hide(found[0], mark), text)


def _hide(digits: str, mark: str) -> str:
    parts = re.split(r"([ -]+)", digits)  # group, separator, group, ...
    kept: list[str] = []
    start = 0
    while start < len(parts):
        end = _card_end(parts, start)
        kept.append(mark if end else parts[start])
        after = end or start + 1
        kept += parts[after : after + 1]
        start = after + 1
    return "".join(kept)


def _card_end(parts: list[str], start: int) -> int | None:
    """The index after the longest card number that begins at this group; its last group may be a short one."""
    digits = ""
    end = None
    for index in range(start, len(parts), 2):
        digits += parts[index]
        if len(digits) > LONGEST:
            break
        if len(digits) >= SHORTEST and digits[0] in FIRST_DIGITS and _luhn(digits):
            end = index + 1
        if len(parts[index]) < GROUP:
            break
    return end


def _luhn(digits: str) -> bool:
    """ISO/IEC 7812-1, annex B."""
    doubled = (sum(divmod(int(digit) * 2, 10)) for digit in digits[-2::-2])
    return (sum(doubled) + sum(map(int, digits[-1::-2]))) % 10 == 0
