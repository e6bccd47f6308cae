"""What secrets and personal data look like, and the marks that take their place: all of it, in order. Pure."""

from __future__ import annotations

import re

from alerts_runtime.redaction import quoted
from alerts_runtime.redaction.card_numbers import hide_cards
from alerts_runtime.redaction.named import hide_named
from alerts_runtime.redaction.personal import hide_personal
from alerts_runtime.redaction.table import SECRET, Rules, replace
from alerts_runtime.redaction.tokens import hide_tokens

CARD = "[card]"

_RULES: Rules = (
    *quoted.RULES,
    (
        ("-u", "--user", "--proxy-user"),
        re.compile(
            r"""((?<![\w-])(?:-u|--user|--proxy-user)(?:[ \t]{1,3}|=|["'],[ ]?)["']?)[^\s"':]{1,100}:[^\s"']++"""
        ),
        rf"\1{SECRET}",
    ),
    (
        ("sshpass", "mysql", "mariadb", "docker login", "redis-cli"),
        re.compile(
            r"\b((?:sshpass|(?:mysql|mariadb)[\w-]{0,20}|docker login|redis-cli) (?:[^\n]{0,80}? )??-[pa] ?)"
            r"[^\s-]\S{3,}+"
        ),
        rf"\1{SECRET}",
    ),
    (
        ("identified by",),
        re.compile(r"\b(identified by )'[^'\n]{1,200}'", re.I),
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
        ("//",),
        re.compile(r"""(?<=//)(?:[^\s/?#"'<>]*|[^\s:/?#@"'<>]{0,100}:(?![0-9]{1,5}(?:[/?#]|$))[^\s"'<>]{1,200})@"""),
        f"{SECRET}@",
    ),
    (
        ("%3a%2f%2f",),
        re.compile(r"""(%3A%2F%2F)[\w.~-]{0,100}%3A(?:[\w.~-]|%(?!40)){0,200}+(?=(?:%40|@))""", re.I),
        rf"\1{SECRET}",
    ),
    (
        ("bearer", "basic"),
        re.compile(
            r"\b((?:B|b)(?:earer|asic)|BEARER|BASIC)([ \t]+|%20|\+)"
            r"(?![A-Z]?[a-z]{1,30}+(?![\w.~+/=-]))[\w.~+/=-]{8,}+"
        ),
        rf"\1\2{SECRET}",
    ),
    # Addresses that are a key to what lies behind them.
    (
        ("hooks.slack", "hooks.zapier", "/webhooks/", "webhook.office", "hc-ping.com", ".stripe.com/", "api.telegram"),
        re.compile(
            r"((?:hooks\.slack(?:-gov)?\.com/(?:services|workflows|triggers)|hooks\.zapier\.com/hooks/catch"
            r"|discord(?:app)?\.com/api/webhooks|\.webhook\.office\.com|hc-ping\.com|api\.telegram\.org/bot"
            r"|(?:invoice|pay|billing|checkout|connect)\.stripe\.com)/?+)[\w/+@:.%#=-]++"
        ),
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
    r"(?![\w.]*?(?:[srpeu]k_|kcs_|whsec_|_secret_|gh[oprsu]_|github_pat|SG\.|AKIA|ASIA|AIza|eyJ|npm_|hv[sbr]\."
    r"|[A-Za-z]{2}[0-9]{2}[A-Za-z0-9]{11}|00[1-9][0-9]{7}|[0-9]{2,3}\.[0-9]{2,3}\.|(?:[0-9][._]?){13}))[\w.]{0,31}"
    r"|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{6}Z",
    re.ASCII,
)


def is_plain(text: str) -> bool:
    """True when certainly no rule applies to this text: a quick test for most values of log lines."""
    return _PLAIN.fullmatch(text) is not None


def apply(text: str) -> str:
    """The text after one pass of all rules."""
    lower = text.lower()
    text = replace(_RULES, hide_named(text, lower), lower)
    return hide_cards(hide_personal(hide_tokens(text, SECRET)), CARD)
