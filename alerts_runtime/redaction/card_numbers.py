"""Finds card numbers among other numbers: by their length, their first digit, their check digit and their groups."""

from __future__ import annotations

import re

SHORTEST, LONGEST = 13, 19  # ISO/IEC 7812-1
FIRST_DIGITS = "23456"  # of the card networks; a timestamp in milliseconds or finer begins with 1
GROUP = 4  # digits on a card stand in groups of four to six; those of a date do not
# Between the groups; `\d` is a digit of any script, such as the full-width ones of Japanese forms.
_BETWEEN = r"[ \u00a0\u2007\u2009\u202f_\u2010-\u2015-]{1,2}"
_DIGITS = re.compile(rf"\d{{4,}}+(?:{_BETWEEN}\d++)*+")
# Dots are also in amounts and versions: only in the groups in which a card's digits are printed.
_DOTTED = re.compile(r"\d(?<![\d.]\d)\d{3}\.(?:\d{4}\.\d{4}\.\d{4}(?:\.\d{1,3})?|\d{6}\.\d{4,5})(?![\d.]*\d)")


def hide_cards(text: str, mark: str) -> str:
    """The text with each card number (contiguous, or in groups with something between them) replaced by the mark."""
    text = _DOTTED.sub(lambda found: mark if _is_card(found[0].replace(".", "")) else found[0], text)
    return _DIGITS.sub(lambda found: _hide(found[0], mark), text)


def _hide(digits: str, mark: str) -> str:
    parts = re.split(rf"({_BETWEEN})", digits)  # group, separator, group, ...
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
        if _is_card(digits):
            end = index + 1
        if len(parts[index]) < GROUP:
            break
    return end


def _is_card(digits: str) -> bool:
    return SHORTEST <= len(digits) <= LONGEST and str(int(digits[0])) in FIRST_DIGITS and _luhn(digits)


def _luhn(digits: str) -> bool:
    """ISO/IEC 7812-1, annex B."""
    doubled = (sum(divmod(int(digit) * 2, 10)) for digit in digits[-2::-2])
    return (sum(doubled) + sum(map(int, digits[-1::-2]))) % 10 == 0
