"""Personal data that can be told by its form: telephone numbers, IBANs, national ids, email addresses. Pure."""

from __future__ import annotations

import re

EMAIL, PHONE, DATA = "[email]", "[phone]", "[data]"

_EMAIL = re.compile(
    r"""(?: (?<![\w.+-])[\w.+-]++ | "(?:[^"\\\n]|\\.){1,64}" )
        (?:@|%40)
        (?: [\w-]++(?:\.[\w-]++)++ | \[[0-9A-Fa-f:.]{2,45}\] )""",
    re.X,
)
_PHONE = re.compile(
    r"\+(?:[1-9][0-9]{6,14}(?![0-9])"  # E.164
    r"|(?=(?:[ .()/-]{0,2}[0-9]){7})[1-9][0-9]{0,2}(?:[ ]?\(0\))?(?:[ .()/-]{1,2}[0-9]{2,14}){2,5}+(?![0-9]))"
    # As it is dialled abroad, at home, and in North America. Written without any separator it looks like any number.
    r"|(?<![\w.,:/-])00[1-9](?:[ /-]?[0-9]){7,13}(?![\w-])"
    r"|(?<![\w.,:/-])\(?0[1-9][0-9]{1,4}\)?[ /-]{1,3}[0-9]{3,}(?:[ -][0-9]{2,}){0,3}(?![\w:-])"
    r"|(?<![\w.,:/-])(?<![0-9] )0[1-9](?:[ .-][0-9]{2}){4}(?![ .:-]?[\w[])"  # France
    r"|(?<![\w.,:/-])(?:1[ .-])?(?:\([2-9][0-9]{2}\)[ ]?|[2-9][0-9]{2}[.-])[2-9][0-9]{2}[ .-][0-9]{4}(?![\w-])"
)
_NATIONAL_ID = re.compile(
    r"(?<![\w-])(?!000|666|9)[0-9]{3}-(?!00)[0-9]{2}-(?!0000)[0-9]{4}(?![\w-])"  # https://www.ssa.gov/employer/randomization.html
    r"|(?<!\w)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z](?:[ ]?[0-9]{2}){3}[ ]?[A-D](?!\w)"  # the United Kingdom's NINO
)
_IBAN = re.compile(r"(?<![A-Z0-9])[A-Z]{2}[0-9]{2}(?:[ -]?[A-Z0-9]{4}){2,7}(?:[ -]?[A-Z0-9]{1,3})?(?![A-Z0-9])", re.I)


# Six digits near each other, which each of them has: most texts do not, and skip the slower patterns.
_DIGITS = re.compile(r"[0-9](?:[ .()/-]{0,2}[0-9]){5}")


def hide_personal(text: str) -> str:
    """The text with each of them replaced by a mark that says what it was."""
    if "@" in text or "%40" in text:
        text = _EMAIL.sub(EMAIL, text)
    if _DIGITS.search(text):
        text = _PHONE.sub(PHONE, _NATIONAL_ID.sub(DATA, _IBAN.sub(_hide_iban, text)))
    return text


def _hide_iban(found: re.Match[str]) -> str:
    """Hide what has an IBAN's check digits, and keep words behind it that the pattern took for its end."""
    groups = re.split(r"[ -]", found[0])
    for end in range(len(groups), 0, -1):
        if _is_iban("".join(groups[:end])):
            return " ".join((DATA, *groups[end:]))
    return found[0]


def _is_iban(code: str) -> bool:
    """ISO 13616: 97 leaves a rest of 1."""
    return 15 <= len(code) <= 34 and int("".join(str(int(sign, 36)) for sign in code[4:] + code[:4])) % 97 == 1
