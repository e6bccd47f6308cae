"""How single values of NOTIFIER are read. Every error says what is wrong and what to write.

The texts of ValueErrors are "what is wrong: what to write". They show names that are looked up (an alias, a kind) and
no other value, which may be a secret in the wrong place: see problems.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import time, timedelta
from decimal import Decimal
from typing import Annotated, TypeVar, get_args
from zoneinfo import available_timezones

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, Strict, StringConstraints, ValidationInfo

from alerts_runtime.redaction.redact import redact
from notifier.channels import KINDS, load
from notifier.config.problems import unknown, within
from notifier.facts import Category, Severity
from notifier.judge.calendar import Every, QuietHours, parse_at, parse_quiet, zone
from notifier.judge.durations import check_length, parse_duration
from notifier.judge.money import parse_amount
from notifier.judge.throttle import Window

T = TypeVar("T")

SEVERITIES = {severity.label: severity for severity in Severity}
WEEKDAYS = {name: number for number, name in enumerate(("mon", "tue", "wed", "thu", "fri", "sat", "sun"))}
FINGERPRINT = [
    "livemode",
    "account",
    "category",
    "event_type",
    "exception",
    "function",
    "module",
    "endpoint",
    "peer",
    "object_id",
    "customer",
    "source",
]
REST = "*"  # in a severity table: every severity that no other row names

_DOTTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
_ALIAS = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,49}")  # it becomes a part of keys and of the worker's topics
_RATE = re.compile(r"(\d{1,6})/(\w+)( smooth)?", re.ASCII)
_CURRENCY = re.compile(r"[A-Za-z]{3}")


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("not a text: put it in quotes")
    return value


def parsed(parse: Callable[[str], object]) -> PlainValidator:
    """A validator for a text that `parse` reads."""
    return PlainValidator(lambda value: parse(_text(value)))


def _one_of(what: str, known: Mapping[str, object]) -> PlainValidator:
    def read(text: str) -> object:
        if text.lower() not in known:
            raise unknown(what, text, known)
        return known[text.lower()]

    return parsed(read)


def _number(value: object) -> object:
    """True is 1 in Python, and a number that nobody wrote."""
    if isinstance(value, bool | bytes | bytearray):
        raise ValueError("must be a number")
    return value


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("has a line break or an invisible character in it: write it in one line")
    return text


def _given(value: object) -> object:
    if value is None:  # as an empty list: it would ask nothing, and so match everything
        raise ValueError("is None: write a value, or leave it out to ask nothing")
    return value


def _in_order(value: object) -> object:
    if isinstance(value, Iterator):  # (... for ... in ...): the second reader would find it empty
        raise ValueError("can be read only once: write a list, in [ ]")
    return value


def _listed(value: object) -> object:
    return tuple(value) if isinstance(value, list | tuple | set | frozenset) else (value,)


def _duration(value: object) -> timedelta:
    return check_length(value) if isinstance(value, timedelta) else parse_duration(_text(value))


def _not_zero(value: timedelta) -> timedelta:
    if not value:
        raise ValueError('must be longer than nothing: write such as "5m"')
    return value


def _alias(name: str, info: ValidationInfo) -> str:
    known: Collection[str] | None = (info.context or {}).get("aliases")
    if known is not None and name not in known:
        raise unknown("channel", name, known, "" if known else 'NOTIFIER["CHANNELS"] has none.')
    return name


def _alias_or_none(name: str, info: ValidationInfo) -> str:
    return _alias(name, info) if name else ""


def _new_alias(name: str) -> str:
    if not _ALIAS.fullmatch(name):
        raise ValueError("a channel's name is a letter, then up to 49 letters, digits, - or _: choose another")
    return name


def _kind(name: str) -> str:
    if "." not in name or not _DOTTED.fullmatch(name):
        if name not in KINDS:
            raise unknown("kind of channel", name, KINDS)
        return name
    try:
        load(name)
    except LookupError as error:
        why = redact(str(error), limit=300)
        help_ = f"Its module cannot be imported, or has no subclass of notifier.channels.base.Channel: {why}"
        raise unknown("channel class", name, (), help_) from None
    return name


def _tz(name: str) -> str:
    try:
        zone(name)
    except (ValueError, UnicodeError):
        raise unknown("time zone", name, available_timezones(), 'Write its IANA name: "Europe/Berlin".') from None
    return name


def _exception(text: str) -> str:
    if not _DOTTED.fullmatch(text):
        raise ValueError('not a dotted path: write such as "stripe.CardError", without *; a base class stands for all')
    return text


def _row(key: str) -> str:
    if key != REST and key.removeprefix(">=") not in SEVERITIES:
        raise unknown("severity", key, [*SEVERITIES, *(f">={name}" for name in SEVERITIES), REST])
    return key


def _severity_asked(text: str) -> tuple[Severity, bool]:
    """The severity, and whether worse ones count too."""
    name = text.removeprefix(">=").strip().lower()
    if name not in SEVERITIES:
        raise unknown("severity", text, [*SEVERITIES, *(f">={name}" for name in SEVERITIES)])
    return SEVERITIES[name], text.startswith(">=")


def _attempt(value: object) -> int:
    text = str(value).removeprefix(">=").strip() if isinstance(value, str | int) else ""
    if not re.fullmatch(r"[1-9]\d{0,5}", text, re.ASCII):
        raise ValueError('not an attempt: write ">=3" or 3, which both mean the third and later ones')
    return int(text)


def _amounts(value: object) -> dict[str, int]:
    if not isinstance(value, Mapping):
        raise ValueError('must be a dict: write such as {"eur": "100.00"}')
    found = {}
    for currency, amount in value.items():
        if not isinstance(currency, str) or not _CURRENCY.fullmatch(currency):
            raise within(str(currency), ValueError('not a currency: write its three letters, such as "eur"'))
        try:
            found[currency.lower()] = parse_amount(_text(amount), currency)
        except ValueError as error:
            raise within(currency, error) from None
    return found


def _fingerprint(name: str) -> str:
    if name not in FINGERPRINT and not name.startswith("context."):
        raise unknown("field", name, [*FINGERPRINT, "context.<key>"])
    return name


def _rate(text: str) -> Window:
    found = _RATE.fullmatch(text.strip())
    if not found:
        raise ValueError('not a rate: write such as "5/15m", or "11/1h smooth" to spread what is left')
    return Window(int(found[1]), parse_duration(found[2]), bool(found[3]))


Many = Annotated[tuple[T, ...], BeforeValidator(_listed)]  # one, or a list of them
Some = Annotated[Many[T], Field(min_length=1)]  # not empty: an empty list would match everything
Asked = Annotated[T | None, BeforeValidator(_given)]  # in a match; None when it is left out
Entries = Annotated[tuple[T, ...], BeforeValidator(_in_order)]  # a list of tables

Text = Annotated[str, Strict()]  # else bytes would do, and be no text elsewhere
one_line = AfterValidator(_printable)
Name = Annotated[Text, StringConstraints(strip_whitespace=True, min_length=1, max_length=100), one_line]  # its columns
number = BeforeValidator(_number)  # behind the number's limits, which pydantic takes in before it alone
NewAlias = Annotated[Text, AfterValidator(_new_alias)]
Alias = Annotated[Text, AfterValidator(_alias)]
OptionalAlias = Annotated[Text, AfterValidator(_alias_or_none)]
ChannelKind = Annotated[str, parsed(_kind)]

Duration = Annotated[timedelta, PlainValidator(_duration)]
Span = Annotated[timedelta, PlainValidator(_duration), AfterValidator(_not_zero)]
At = Annotated[time, parsed(parse_at)]
Hours = Annotated[QuietHours, parsed(parse_quiet)]
Tz = Annotated[str, parsed(_tz)]
Weekday = Annotated[int, _one_of("day of the week", WEEKDAYS)]
Period = Annotated[Every, _one_of("period", {name: name for name in get_args(Every)})]
Rate = Annotated[Window, parsed(_rate)]
Price = Annotated[Decimal, Field(gt=0, le=1_000_000, allow_inf_nan=False)]

SeverityName = Annotated[Severity, _one_of("severity", SEVERITIES)]
SeverityAsked = Annotated[tuple[Severity, bool], parsed(_severity_asked)]
SeverityRow = Annotated[Text, AfterValidator(_row)]
CategoryName = Annotated[Category, _one_of("category", {category.value: category for category in Category})]
ExceptionPath = Annotated[str, parsed(_exception)]
Amounts = Annotated[dict[str, int], PlainValidator(_amounts)]
AttemptNumber = Annotated[int, PlainValidator(_attempt)]
FingerprintField = Annotated[str, parsed(_fingerprint)]
