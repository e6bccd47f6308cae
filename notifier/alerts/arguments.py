"""Checks the arguments of `alert()`: what cannot be used is refused at once, the rest is read without raising. Pure."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from itertools import islice

from django.utils.crypto import salted_hmac

from alerts_runtime.failures.foreign import is_interrupt
from alerts_runtime.failures.reading import classes_of
from alerts_runtime.redaction.redact import redact
from alerts_runtime.redaction.values import redact_value
from notifier.facts import Category, Money, Severity
from notifier.judge.match import canonical

LONGEST_RESOLVE_AFTER = timedelta(days=366)
MAX_SOURCE = 100  # the length of its column
_MAX_AMOUNT = 10**15
_MAX_CONTEXT = 50  # entries
_LONGEST_TEXT = 10_000  # characters of a text that are read
_UNREADABLE = "(it cannot be read)"
_SHORTENED = re.compile(r"~[0-9a-f]{24}\Z")
_RESERVED = "webhook"  # the source of every failed event


def severity(given: object) -> Severity:
    if isinstance(given, Severity):
        return given
    return Severity[_one_of("severity", given, [each.label for each in Severity]).upper()]


def category(given: object) -> Category:
    return Category(_one_of("category", given, [each.value for each in Category]))


def _one_of(name: str, given: object, known: list[str]) -> str:
    if not isinstance(given, str):
        raise _wrong_type(name, "a text", given)
    if given.lower() not in known:
        raise ValueError(
            f"alert(): this {name} is neither a severity nor a category of notifier.facts. "
            f"Write one of: {', '.join(known)}"
        )
    return given.lower()


def check_texts(**texts: object) -> None:
    for name, value in texts.items():
        if not isinstance(value, str):
            raise _wrong_type(name, "a text", value)


def check_needed(**texts: str) -> None:
    for name, value in texts.items():
        if not value.strip():
            raise ValueError(f"alert(): {name} is empty; write what it is about")


def check_values(
    exception: object, livemode: object, money: object, context: object, resolve_after: object, now: object
) -> None:
    for name, value, cls, what in (
        ("exception", exception, BaseException, "an exception or None"),
        ("money", money, Money, "a notifier.facts.Money or None"),
        ("context", context, Mapping, "a mapping or None"),
        ("resolve_after", resolve_after, timedelta, "a timedelta or None"),
    ):
        if value is not None and not isinstance(value, cls):
            raise _wrong_type(name, what, value)
    if not isinstance(livemode, bool):
        raise _wrong_type("livemode", "True or False", livemode)
    if not isinstance(now, datetime):
        raise _wrong_type("now", "a datetime or None", now)
    if now.utcoffset() is None:
        raise ValueError("alert(): now needs a time zone; take django.utils.timezone.now()")
    if isinstance(resolve_after, timedelta) and not timedelta(0) < resolve_after <= LONGEST_RESOLVE_AFTER:
        raise ValueError(f"alert(): resolve_after must be above zero and at most {LONGEST_RESOLVE_AFTER.days} days")
    if isinstance(money, Money):
        _check_money(money)


def _check_money(money: Money) -> None:
    if not isinstance(money.amount, int) or isinstance(money.amount, bool):
        raise _wrong_type("money.amount", "a whole number of the currency's smallest unit", money.amount)
    if abs(money.amount) >= _MAX_AMOUNT:
        raise ValueError("alert(): money.amount has more than 15 digits; it counts the currency's smallest unit")
    if not isinstance(money.currency, str):
        raise _wrong_type("money.currency", "a text", money.currency)
    if not re.fullmatch("[A-Za-z]{3}", money.currency):
        raise ValueError('alert(): money.currency is not a currency; write its three letters, such as "eur"')


def _wrong_type(name: str, wanted: str, given: object) -> TypeError:
    return TypeError(f"alert(): {name} must be {wanted}, not {type(given).__name__}")


def source_of(key: str) -> str:
    """The key as it is stored and matched: redacted, and cut with a hash at its end where it would not fit.

    Different keys have different sources. A key of at most 100 characters without a secret is its own source.
    """
    shown = redact(key)
    if shown == key and len(key) <= MAX_SOURCE and key != _RESERVED and not _SHORTENED.search(key):
        return key
    # With SECRET_KEY, since a short secret could be guessed from a plain hash.
    digest = salted_hmac("notifier.key", _encoded(key), algorithm="sha256").hexdigest()[:24]
    return f"{redact(key, limit=MAX_SOURCE - 25)[: MAX_SOURCE - 25]}~{digest}"


def occurrence_key(key: str, livemode: bool, once: str) -> str:
    """The idempotency key of an occurrence; without `once` each call gets a new one."""
    if not once:
        return f"alert:{secrets.token_hex(16)}"
    return f"alert:{hashlib.sha256(_encoded(json.dumps([key, livemode, once]))).hexdigest()}"


def _encoded(text: str) -> bytes:
    return text.encode(errors="surrogatepass")


def text_of(value: object) -> str:
    """str() of a value, or a replacement when that raises."""
    if value is None:
        return ""
    return _safely(lambda: str(value)[:_LONGEST_TEXT])


def _safely(read: Callable[[], str]) -> str:
    try:
        return read()
    except BaseException as error:
        if is_interrupt(error):
            raise
        return _UNREADABLE


def classes(exception: BaseException | None) -> tuple[str, ...]:
    """The paths of the exception's class and its bases."""
    if exception is None:
        return ()
    return tuple(canonical(redact(path, limit=255)) for path in classes_of(type(exception)))


def context_of(context: Mapping[str, object] | None) -> dict[str, str]:
    """The context as texts that can be stored. Secrets are redacted, by their form and by the entry's name."""
    try:
        entries = [(text_of(name), value) for name, value in islice((context or {}).items(), _MAX_CONTEXT)]
    except Exception:  # noqa: BLE001 - a mapping of the caller's own
        return {"context": _UNREADABLE}
    return {redact(name, limit=100): _entry(name, value) for name, value in entries}


def _entry(name: str, value: object) -> str:
    known = value if isinstance(value, Mapping | list | tuple) else text_of(value)
    return _safely(lambda: redact(str(redact_value(known, name))[:_LONGEST_TEXT], limit=200))
