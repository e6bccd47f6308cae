"""What secrets and personal data look like: an ordered table of patterns and the marks that take their place. Pure.

Every pattern runs in linear time: a quantifier is possessive, bounded, or can start in one place only.
"""

from __future__ import annotations

import re

from alerts_runtime.redaction.card_numbers import hide_cards
from alerts_runtime.redaction.personal import DATA, hide_personal
from alerts_runtime.redaction.tokens import hide_tokens

SECRET, CARD = "[secret]", "[card]"

_NAMES = (
    r"(?:passwords?|passwd|passphrase|passcode|pwd|secrets?|tokens?|credentials?|authorization|sessionid|signature"
    r"|api[_-]?keys?|(?:access|private|secret|signing|account|encryption)[_-]?keys?"
    # what Stripe's objects and forms call what proves or finds a person
    r"|(?<![a-z])(?:cvc2?|cvv2?|card_?number|account_number|routing_number|iban|ssn(?:_last_4)?"
    r"|(?:national_|personal_)?id_number|tax_id|passport_number|phone(?:_number)?|telephone|msisdn))"
)
_SHORT_NAMES = r"(?<![a-z])(?:pw|pass|pin|otp|sig|dsn|csc|dob|mobile)"  # ordinary words, unless a value is assigned
SECRET_NAME = re.compile(  # of a setting or a field
    rf"(?:{_NAMES}(?:_fallbacks)?|{_SHORT_NAMES}|(?:webhook|heartbeat)_url)$", re.I
)
_ASSIGNED = re.compile(
    rf"""
    (?P<key> (?: {_NAMES} \\{{0,3}}["']? [ \t]{{0,9}} (?: => | ={{1,3}} | :=? )
            | {_SHORT_NAMES} (?: = | ["'][ ]{{0,3}}:(?=[ ]{{0,3}}["']) ) )
        [ \t]{{0,9}} (?: (?:bearer|basic|digest|token|negotiate|apikey) [ \t]{{1,9}} )? )
    (?! (?:None|null|true|false) \b )
    (?: b?(?P<quote>["']) (?: (?<=") (?:[^"\\\n]|\\.)++ | (?<=') (?:[^'\\\n]|\\.)++ ) (?P<end> (?P=quote)? )
      | \\" (?:[^"\\\n]|\\{{2,}}+"?|\\[^"\\])++ (?:\\")?   # JSON within a JSON string
      | (?: \[ [^\]\n]++ \]? | \( [^)\n]++ \)? | \{{ [^}}\n]++ \}}? ) [^\s&"',;)\]}}]*+
      | (?: [^\s&"',;)\]}}]++ | ["',;)\]}}]++ (?!\s|\Z) )++
    )
    """,
    re.I | re.X,
)
# A rule runs only where one of these words is in the text, whatever its case. Most texts hold none, and to look for a
# word takes far less than to look for a pattern: with it the table takes half the time (measured).
_OF_NAMES = (
    *("pass", "pwd", "secret", "token", "credential", "authorization", "sessionid", "signature", "key", "cvc", "cvv"),
    *("card", "number", "iban", "ssn", "tax_id", "phone", "msisdn"),
)
_OF_SHORT_NAMES = ("pw", "pass", "pin", "otp", "sig", "dsn", "csc", "dob", "mobile")
_RULES: tuple[tuple[tuple[str, ...], re.Pattern[str], str], ...] = (
    # PostgreSQL quotes the row: https://www.postgresql.org/docs/current/protocol-error-fields.html
    # A row or a value may hold line breaks: goes on until a row or a sentence ends.
    (
        ("detail:",),
        re.compile(
            r"""\bDETAIL:[ \t]*+(?: Failing[ ]row[ ]contains (?:[^\n]*+ (?<!\)\.) \n(?!\n))*+ [^\n]*+
            | \S[^\n]*+ (?: (?<!\.)(?<!\.["'])(?<!\.["']\))(?<!\[data\]) \n(?!\n|HINT:|CONTEXT:|Traceback) [^\n]*+ )*+
            )""",
            re.X,
        ),
        f"DETAIL: {DATA}",
    ),
    (("key (",), re.compile(r"(Key \([^)\n]{1,200}\)=)\([^\n]*\)"), rf"\1({DATA})"),
    # PostgreSQL quotes the value, and what a function of the site's own says in a hint is anybody's words.
    (
        ("invalid input",),
        re.compile(r"""(invalid input (?:syntax|value) for [^:"\n]{1,100}: )"[^\n]*\""""),
        rf"\1{DATA}",
    ),
    (("hint:",), re.compile(r"""\bHINT:[ \t]*+(?=[^\n]*["'=0-9])(?!\[data\]$)[^\n]*+""", re.M), f"HINT: {DATA}"),
    # A pair of a name and a value: a header of a list, an option of a command.
    (
        (*_OF_NAMES, *_OF_SHORT_NAMES, "cookie"),
        re.compile(
            rf"""((?:(?<=[(\[])["']|["']--?)[\w.-]{{0,40}}?(?:{_NAMES}|{_SHORT_NAMES}|cookie)["'],[ ]{{0,3}})"""
            r"""b?(["'])(?:(?!\2)[^\\\n]|\\.)*+\2""",
            re.I,
        ),
        rf"\1\2{SECRET}\2",
    ),
    (
        ("-u", "--proxy-user"),
        re.compile(r"""((?<![\w-])(?:-u|--user|--proxy-user)(?:[ \t]{1,3}|=)["']?)[^\s"':]{1,100}:[^\s"']++"""),
        rf"\1{SECRET}",
    ),
    (
        ("cookie",),
        re.compile(r"""\b((?:set-)?cookie2?["']?[ \t]{0,9}:[ \t]{0,9}["']?)[^\n"']++""", re.I),
        rf"\1{SECRET}",
    ),
    (
        ("sig=", "code=", "auth=", "key=", "ticket=", "jwt=", "hash=", "hmac="),
        re.compile(r"""([?&;](?:sig|code|auth|key|ticket|jwt|hash|hmac)=)[^\s&#"'<>]++""", re.I),
        rf"\1{SECRET}",
    ),
    # A password may hold a slash or a hash; a port in its place is none.
    (
        ("://",),
        re.compile(r"""(?<=://)(?:[^\s/?#"'<>]*|[^\s:/?#@"'<>]{0,100}:(?![0-9]{1,5}(?:[/?#]|$))[^\s"'<>]{1,200})@"""),
        f"{SECRET}@",
    ),
    (
        ("bearer ", "basic "),
        re.compile(r"\b((?:B|b)(?:earer|asic)|BEARER|BASIC)([ ]+)(?![A-Z]?[a-z]{1,30}+(?![\w.~+/=-]))[\w.~+/=-]{8,}+"),
        rf"\1\2{SECRET}",
    ),
    (
        ("hooks.slack",),
        re.compile(r"(hooks\.slack(?:-gov)?\.com/(?:services|workflows|triggers)/)[\w/+-]++"),
        rf"\1{SECRET}",
    ),
    # An AWS secret has no form of its own; a signature can be used again for some minutes.
    (("signature=",), re.compile(r"\b((?:X-Amz-)?Signature=)[0-9a-f]{64}\b"), rf"\1{SECRET}"),
    # Twilio's auth token is 32 hex digits and looks like any other id: only near a word that says what it is.
    (
        ("auth", "token", "secret", "password", "twilio", "api"),
        re.compile(r"((?:auth|token|(?<!\[)secret|password|twilio|api.?key)[^\n]{0,20}?)\b[0-9a-f]{32}\b", re.I),
        rf"\1{SECRET}",
    ),
)

# Most values of a log line: nothing that any pattern could find, told at a tenth of the cost (measured). No separator
# but a dot, no token's prefix, too short for a token, too few digits for a card or an account; or a time.
_PLAIN = re.compile(
    r"(?![\w.]*?(?:[srpe]k_|whsec_|_secret_|gh[oprsu]_|github_pat|SG\.|AKIA|ASIA|AIza|eyJ|npm_|pypi_"
    r"|[A-Z]{2}[0-9]{2}[A-Z0-9]{11}|00[1-9][0-9]{7}|(?:[0-9][._]?){13}))[\w.]{0,31}"
    r"|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{6}Z",
    re.ASCII,
)


def is_plain(text: str) -> bool:
    """True when certainly no rule applies to this text: a quick test for most values of log lines."""
    return _PLAIN.fullmatch(text) is not None


def apply(text: str) -> str:
    """The text after one pass of all rules."""
    lower = text.lower()
    if any(word in lower for word in (*_OF_NAMES, *_OF_SHORT_NAMES)):
        text = _ASSIGNED.sub(_hide_assigned, text)
    for words, pattern, replacement in _RULES:
        if any(word in lower for word in words):
            text = pattern.sub(replacement, text)
    return hide_cards(hide_personal(hide_tokens(text, SECRET)), CARD)


def _hide_assigned(found: re.Match[str]) -> str:
    return f"{found['key']}{found['quote'] or ''}{SECRET}{found['end'] or ''}"
