"""One matcher for classification rules, routes, silences and inhibitions. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from alerts_runtime.failures.reading import canonical
from notifier.facts import Category, Failure, Money, Severity, Subject, Verdict
from notifier.judge.money import format_sums

__all__ = ["Matcher", "canonical", "matches", "mismatch", "subject_of"]


@dataclass(frozen=True, slots=True)
class Matcher:
    """What a subject must be like. An empty field takes anything; of several entries in a field one must match."""

    min_severity: Severity | None = None
    severities: tuple[Severity, ...] = ()
    categories: tuple[Category, ...] = ()
    sources: tuple[str, ...] = ()
    events: tuple[str, ...] = ()  # globs
    exceptions: tuple[str, ...] = ()  # dotted paths; a base class matches its subclasses (`canonical` on both sides)
    livemode: bool | None = None
    endpoints: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    min_amounts: Mapping[str, int] = field(default_factory=dict)  # currency -> smallest units
    min_attempt: int | None = None
    context: Mapping[str, str] = field(default_factory=dict)  # key -> glob
    fingerprints: tuple[str, ...] = ()  # of one kind of alert, as it is counted


def subject_of(failure: Failure, verdict: Verdict) -> Subject:
    """What matchers see of a failure."""
    return Subject(
        severity=verdict.severity,
        category=verdict.category,
        source=failure.source,
        event_type=failure.event_type,
        exceptions=failure.exceptions,
        livemode=failure.livemode,
        endpoint=failure.endpoint,
        account=failure.account,
        money=failure.money,
        attempt=failure.attempt,
        context=failure.context,
        fingerprint=verdict.fingerprint,
    )


def mismatch(matcher: Matcher, subject: Subject) -> str | None:
    """The first field that does not fit the subject, in words such as "livemode is false"; None when all fit."""
    for name, ok, found in _questions(matcher, subject):
        if not ok:
            return f"{name} is {found or 'not set'}"
    return None


def matches(matcher: Matcher, subject: Subject) -> bool:
    return mismatch(matcher, subject) is None


def _questions(m: Matcher, s: Subject) -> list[tuple[str, bool, str]]:
    return [
        ("severity", m.min_severity is None or s.severity >= m.min_severity, s.severity.label),
        ("severity", not m.severities or s.severity in m.severities, s.severity.label),
        ("category", not m.categories or s.category in m.categories, str(s.category)),
        ("source", not m.sources or _any_glob(m.sources, s.source), s.source),
        ("event", not m.events or _any_glob(m.events, s.event_type), s.event_type),
        (
            "exception",
            not m.exceptions or any(canonical(path) in s.exceptions for path in m.exceptions),
            s.exceptions[0] if s.exceptions else "",
        ),
        ("livemode", m.livemode is None or s.livemode is m.livemode, str(s.livemode).lower()),
        ("endpoint", not m.endpoints or _any_glob(m.endpoints, s.endpoint), s.endpoint),
        ("account", not m.accounts or _any_glob(m.accounts, s.account), s.account),
        ("amount", not m.min_amounts or _amount_reached(m.min_amounts, s), _amount(s)),
        ("attempt", m.min_attempt is None or s.attempt >= m.min_attempt, str(s.attempt)),
        *(
            (f"context {key}", fnmatchcase(s.context.get(key, ""), glob), s.context.get(key, ""))
            for key, glob in m.context.items()
        ),
        ("fingerprint", not m.fingerprints or s.fingerprint in m.fingerprints, s.fingerprint),
    ]


def _any_glob(globs: tuple[str, ...], value: str) -> bool:
    return any(fnmatchcase(value, glob) for glob in globs)


def _amount_reached(least: Mapping[str, int], subject: Subject) -> bool:
    """In its own currency: amounts in different ones cannot be compared."""
    found = _amounts(subject)
    return any(currency in found and found[currency] >= amount for currency, amount in least.items())


def _amount(subject: Subject) -> str:
    return format_sums(Money(amount, currency) for currency, amount in _amounts(subject).items())


def _amounts(subject: Subject) -> Mapping[str, int]:
    money = subject.money
    return subject.amounts or ({money.currency: money.amount} if money else {})
