"""Finds card numbers among other numbers: by their length, their first digit, their check digit and their groups."""

from __future__ import annotations

import re

SHORTEST, LONGEST = 13, 19  # ISO/IEC 7812-1
# How the numbers of the card networks begin, and how long they are; a timestamp in milliseconds begins with 1.
# https://en.wikipedia.org/wiki/Payment_card_number#Issuer_identification_number_(IIN)
_NETWORKS = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})"  # Visa
    r"|(?:5[1-5]|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d+(?<=^\d{16})"  # Mastercard
    r"|3[47]\d{13}|3(?:0[0-5]|[689]\d)\d{11,16}|35\d{14,17}|220[0-4]\d{12,15}"  # American Express, Diners, JCB, Mir
    r"|(?:50|5[6-9]|6\d)\d{11,17}"  # Maestro, Discover, UnionPay
)
GROUP = 4  # digits on a card stand in groups of four to six; those of a date do not
# Between the groups; `\d` is a digit of any script, such as the full-width ones of Japanese forms.
_BETWEEN = r"(?:[ \t_+\u2012-\u2015-]{1,2}|%20)"
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
    return SHORTEST <= len(digits) <= LONGEST and _is_of_a_network(digits) and _luhn(digits)


def _is_of_a_network(digits: str) -> bool:
    return _NETWORKS.fullmatch("".join(str(int(digit)) for digit in digits)) is not None


def _luhn(digits: str) -> bool:
    """ISO/IEC 7812-1, annex B."""
    doubled = (sum(divmod(int(digit) * 2, 10)) for digit in digits[-2::-2])
    return (sum(doubled) + sum(map(int, digits[-1::-2]))) % 10 == 0
