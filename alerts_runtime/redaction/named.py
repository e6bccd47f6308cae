"""Values by the name that stands beside them: `password=x`, `("token", "x")`, `<secret>x</secret>`. Pure."""

from __future__ import annotations

import re

from alerts_runtime.redaction.table import SECRET, Rules, replace

_PASSWORDS = r"passwords?|passwd|passwort|kennwort|contraseña|passphrase|passcode|pwd"
_OTHERS = (
    r"secrets?|tokens?|credentials?|authorization|sess(?:ion)?[_-]?(?:id|key)|signature"
    r"|api[_-]?keys?|(?:access|private|secret|signing|account|encryption)[_-]?keys?"
    # what Stripe's objects and forms call what proves or finds a person
    r"|(?<![a-z])(?:cvc2?|cvv2?|card_?number|account[_ ]number|routing_number|sort_code|iban|ssn(?:_last_4)?"
    r"|(?:national_|personal_)?id_number|tax_id|passport_number|phone(?:_number)?|telephone|msisdn"
    r"|date_of_birth|birth_?(?:date|day))"
)
_NAMES = rf"(?:{_PASSWORDS}|{_OTHERS})"
_SHORT_NAMES = r"(?<![a-z])(?:pw|pass|pin|otp|sig|dsn|csc|dob|mobile|cookies?)"  # ordinary words, unless with a value
_ANY = rf"(?:{_NAMES}|{_SHORT_NAMES})"
SECRET_NAME = re.compile(  # of a setting or a field
    rf"(?:{_NAMES}(?:_fallbacks)?|(?:{_PASSWORDS})_?(?:confirm(?:ation)?|hash|again|[0-9]{{1,2}})|{_SHORT_NAMES}|(?:webhook|heartbeat)_url)$",
    re.I,
)
# password2, signature-256, card[cvc], password[0], and as they stand in a URL
_INDEX = r"(?:-?[0-9]{1,3})?(?:\]|(?:\[|%5B)\w{0,20}(?:\]|%5D)|%5D)?"
# In a sentence, what no word looks like; but the ids of Stripe's objects and times do.
_NO_WORD = (
    r"""["']?(?![a-z]{2,8}_(?:test_|live_)?\w{14}|[0-9]{4}-[0-9]{2})"""
    r"(?=[\w.~+/=-]{0,200}[0-9])(?=[\w.~+/=-]{0,200}[a-z])[\w.~+/=-]{8}"
)
_ASSIGNED = re.compile(
    rf"""
    (?P<key> (?: (?:(?P<password>{_PASSWORDS})|{_OTHERS})
                 (?: {_INDEX} \\{{0,3}}(?:["']|%2[27])? [ \t]{{0,9}} (?: => | -> | ={{1,3}} | :=? | %3[AD] )
                   | [ ](?:is[ ]|was[ ])?(?={_NO_WORD})
                   | (?(password) [ ](?:is[ ]|was[ ]|by[ ]|as[ ])?(?="[^"\n]{{1,200}}"|'[^'\n]{{1,200}}') | (?!) ) )
            | {_SHORT_NAMES} {_INDEX} (?: = | %3D | ["'][ ]{{0,3}}:(?=[ ]{{0,3}}(?:["'{{]|[0-9]{{4}})) ) )
        [ \t]{{0,9}} (?: \(? \n [ \t]{{0,40}} (?=b?["']) )?
        (?: (?:bearer|basic|digest|token|negotiate|apikey) (?: [ \t]{{1,9}} | \+ | %20 ) )? )
    (?! (?:None|null|true|false) \b )
    (?: b?(?P<quote>["']) (?: (?<=") (?:[^"\\\n]|\\.)++ | (?<=') (?:[^'\\\n]|\\.)++ ) (?P<end> (?P=quote)? )
      | \\" (?:[^"\\\n]|\\{{2,}}+"?|\\[^"\\])++ (?:\\")?   # JSON within a JSON string
      | (?: \[ (?: [^\[\]\n] | \[ [^\[\]\n]*+ \]? )++ \]?
        | (?:[a-z_][\w.]{{0,60}}+)? \( (?: [^()\n] | \( [^()\n]*+ \)? )++ \)?
        | \{{ (?: [^{{}}\n] | \{{ [^{{}}\n]*+ \}}? )++ \}}? ) [^\s&"',;)\]}}]*+
      | [|>][+-]? (?: \n[ \t]++[^\n]++ )++   # a block of YAML
      | (?: [^\s&"',;)\]}}]++ | ["',;)\]}}]++ (?!\s|\Z) )++
    )
    """,
    re.I | re.X,
)
# Whatever the scheme: `Digest username="a", response="b"`. What has no digit and is short is prose.
_AUTHORIZATION = re.compile(
    r"(authorization[ \t]{0,9}[:=][ \t]{0,9})"
    r"(?!(?:bearer|basic|token|negotiate|apikey)[ \t])[a-z][\w-]{0,30}[ \t]{1,9}"
    r"""(?=[^\s"',;]{0,200}[0-9="]|[^\s"',;]{16})[^\s"',;]++"""
    r"""(?:"[^"\n]*+"?)?(?:,[ \t]{0,9}[\w-]{1,40}=(?:"[^"\n]*+"?|[^\s,"']*+))*+""",
    re.I,
)
# One of these words is in every name.
_WORDS = (
    *("pass", "pwd", "secret", "token", "credential", "authorization", "sess", "signature", "key", "cvc", "cvv"),
    *("card", "number", "iban", "ssn", "tax_id", "phone", "msisdn", "kennwort", "contraseña", "sort_code", "birth"),
    *("pw", "pass", "pin", "otp", "sig", "dsn", "csc", "dob", "mobile", "cookie"),
)
_RULES: Rules = (
    # A pair of a name and a value: a header of a list, an option of a command.
    (
        ("', ", '", ', "','", '","'),
        re.compile(
            rf"""((?:(?<=[(\[])b?["']|["']--?)[\w.-]{{0,40}}?{_ANY}["'],[ ]{{0,3}})"""
            r"""b?(["'])(?:(?!\2)[^\\\n]|\\.)*+\2""",
            re.I,
        ),
        rf"\1\2{SECRET}\2",
    ),
    # The same, each with its own label: in lists of variables and headers, in HTML, in a form of several parts.
    (
        ("name", "key", "field", "header"),
        re.compile(
            rf"""(\b(?:name|key|field|header)["']?[ ]{{0,3}}[:=][ ]{{0,3}}["'][\w.\[\]-]{{0,60}}?{_ANY}"""
            r"""\]?["'](?:[^\n<>"']{0,40}["']?\bvalue["']?[ ]{0,3}[:=][ ]{0,3}|[^\n<>"']{0,40}\n\n))"""
            r"""(?!\[secret\])(?:"[^"\n]*+"?|'[^'\n]*+'?|[^\s"',<>}]++)""",
            re.I,
        ),
        rf"\1{SECRET}",
    ),
    (
        ("</",),
        re.compile(
            rf"""(<(?:[\w.-]{{1,40}}+:)?[\w.-]{{0,40}}?{_ANY}(?:[ \t][^<>\n]{{0,200}}+)?>)"""
            r"[^<\n]++(?=</)",
            re.I,
        ),
        rf"\1{SECRET}",
    ),
    # Options of commands, as a shell or a list has them.
    (
        ("--",),
        re.compile(
            rf"""((?<![\w-])--[\w-]{{0,40}}?{_ANY}[ \t]{{1,3}})"""
            r"""(?:"[^"\n]*+"?|'[^'\n]*+'?|[^\s"'-][^\s"']*+)""",
            re.I,
        ),
        rf"\1{SECRET}",
    ),
)


def hide_named(text: str, lower: str) -> str:
    """The text without such values; `lower` is the same text in lower case."""
    if not any(word in lower for word in _WORDS):
        return text
    if "authorization" in lower:
        text = _AUTHORIZATION.sub(rf"\1{SECRET}", text)
    return replace(_RULES, _ASSIGNED.sub(_hide_assigned, text), lower)


def _hide_assigned(found: re.Match[str]) -> str:
    return f"{found['key']}{found['quote'] or ''}{SECRET}{found['end'] or ''}"
