"""What secrets and personal data look like: an ordered table of patterns and the marks that take their place. Pure.

Every pattern runs in linear time: a quantifier is possessive, bounded, or can start in one place only.
"""

from __future__ import annotations

import re

from core.cards import hide_cards

SECRET, CARD, EMAIL, PHONE, DATA = "[secret]", "[card]", "[email]", "[phone]", "[data]"

_NAMES = (
    r"(?:passwords?|passwd|passphrase|pwd|secrets?|tokens?|credentials?|authorization|sessionid"
    r"|api[_-]?keys?|(?:access|private|secret|signing)[_-]?keys?)"
)
SECRET_NAME = re.compile(rf"{_NAMES}(?:_fallbacks)?$|(?:webhook|heartbeat)_url$", re.I)  # of a setting or a field
_ASSIGNED = re.compile(
    rf"""
    (?P<key> {_NAMES} \\{{0,3}}["']? [ \t]{{0,5}} (?: => | ={{1,3}} | :=? ) [ \t]{{0,5}}
        (?: (?:bearer|basic|digest|token) [ ]{{1,5}} )? )
    (?! (?:None|null|true|false) \b )
    (?: b?(?P<quote>["']) (?: (?<=") (?:[^"\\\n]|\\.)++ | (?<=') (?:[^'\\\n]|\\.)++ ) (?P<end> (?P=quote)? )
      | \\" (?:[^"\\\n]|\\{{2,}}+"?|\\[^"\\])++ (?:\\")?   # JSON within a JSON string
      | (?: \[ [^\]\n]++ \]? | \( [^)\n]++ \)? | \{{ [^}}\n]++ \}}? ) [^\s&"',;)\]}}]*+
      | (?: [^\s&"',;)\]}}]++ | ["',;)\]}}]++ (?!\s|\Z) )++
    )
    """,
    re.I | re.X,
)
_RULES: tuple[tuple[re.Pattern[str], str], ...] = (
    # PostgreSQL quotes the row: https://www.postgresql.org/docs/current/protocol-error-fields.html
    # A row or a value may hold line breaks: goes on until a row or a sentence ends.
    (
        re.compile(
            r"""\bDETAIL:[ \t]*+(?: Failing[ ]row[ ]contains (?:[^\n]*+ (?<!\)\.) \n(?!\n))*+ [^\n]*+
            | \S[^\n]*+ (?: (?<!\.)(?<!\.["'])(?<!\.["']\))(?<!\[data\]) \n(?!\n|HINT:|CONTEXT:|Traceback) [^\n]*+ )*+
            )""",
            re.X,
        ),
        f"DETAIL: {DATA}",
    ),
    (re.compile(r"(Key \([^)\n]{1,200}\)=)\([^\n]*\)"), rf"\1({DATA})"),
    (re.compile(r"""(?<=://)[^\s/?#"'<>]*@"""), f"{SECRET}@"),
    (
        re.compile(r"\b((?:B|b)(?:earer|asic)|BEARER|BASIC)([ ]+)(?![A-Z]?[a-z]{1,30}+(?![\w.~+/=-]))[\w.~+/=-]{8,}+"),
        rf"\1\2{SECRET}",
    ),
    # https://docs.stripe.com/keys
    (re.compile(r"(?:[srpe]k_(?:org_)?(?:live|test)_[\w*]{4,}+|whsec_[\w*+/=]{4,}+)"), SECRET),
    # https://docs.slack.dev/authentication/tokens
    (re.compile(r"(?:xox[a-z](?:\.xox[a-z])?|xapp)-[\w-]{4,}+"), SECRET),
    (re.compile(r"(hooks\.slack(?:-gov)?\.com/(?:services|workflows|triggers)/)[\w/+-]++"), rf"\1{SECRET}"),
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html: the secret that belongs to such an
    # id has no form of its own. A signature can be used again for some minutes.
    (re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"), SECRET),
    (re.compile(r"\b((?:X-Amz-)?Signature=)[0-9a-f]{64}\b"), rf"\1{SECRET}"),
    # Twilio's auth token is 32 hex digits and looks like any other id: only near a word that says what it is.
    (
        re.compile(r"((?:auth|token|(?<!\[)secret|password|twilio|api.?key)[^\n]{0,20}?)\b[0-9a-f]{32}\b", re.I),
        rf"\1{SECRET}",
    ),
    (re.compile(r"(?<![\w.+-])[\w.+-]++(?:@|%40)[\w-]++(?:\.[\w-]++)++"), EMAIL),
    (
        re.compile(
            r"\+(?:[1-9][0-9]{6,14}(?![0-9])"  # E.164
            r"|(?=(?:[ .()/-]{0,2}[0-9]){7})[1-9][0-9]{0,2}(?:[ .()/-]{1,2}[0-9]{2,14}){2,5}+(?![0-9]))"
        ),
        PHONE,
    ),
)

# Most values of a log line: nothing that any pattern could find, told at a tenth of the cost (measured). No separator,
# no key's prefix, too short for a token, too few digits for a card; or a time.
_PLAIN = re.compile(
    r"(?![\w.]*?(?:[srpe]k_|whsec_|AKIA|ASIA|[0-9]{13}))[\w.]{0,31}"
    r"|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{6}Z",
    re.ASCII,
)


def is_plain(text: str) -> bool:
    """Whether no pattern can find anything in it; False when that is not certain."""
    return _PLAIN.fullmatch(text) is not None


def apply(text: str) -> str:
    """One pass of the whole table."""
    text = _ASSIGNED.sub(_hide_assigned, text)
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return hide_cards(text, CARD)


def _hide_assigned(found: re.Match[str]) -> str:
    return f"{found['key']}{found['quote'] or ''}{SECRET}{found['end'] or ''}"
