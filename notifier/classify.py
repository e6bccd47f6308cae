"""Failure x rules -> Verdict, or None to ignore it. Pure: an ordered table from the settings over a built-in one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace

from notifier import builtin
from notifier.facts import INFRASTRUCTURE, Category, Failure, Severity, Subject, Verdict
from notifier.match import matches
from notifier.policy import Rule

# A transient failure is noise the first time and an outage the second.
OUTAGE_ATTEMPT = 2


def classify(failure: Failure, rules: Iterable[Rule]) -> Verdict | None:
    """The built-in verdict, changed by the first rule that matches; None when that rule says `ignore`."""
    verdict = _builtin_verdict(failure)
    for rule in rules:
        if matches(rule.matcher, subject_of(failure, verdict)):
            return None if rule.ignore else _apply(rule, verdict, failure)
    return verdict


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
    )


def severity_of(failure: Failure, category: Category, transient: bool) -> Severity:
    """How bad a failure is by itself.

    In live mode an event that nobody will retry is critical, and so is an outage: a transient failure that came
    back. Test mode never pages anyone.
    """
    if not failure.livemode:
        return Severity.WARNING if transient and failure.will_retry else Severity.ERROR
    if not failure.will_retry or category is Category.WORKER or nearly_spent(failure):
        return Severity.CRITICAL
    if not transient:
        return Severity.ERROR
    if failure.attempt < OUTAGE_ATTEMPT:
        return Severity.WARNING
    # Stripe's rate limit and a slow third party heal by themselves more often than they cost money.
    return Severity.CRITICAL if category in {Category.DATABASE, Category.STRIPE_API} else Severity.ERROR


def nearly_spent(failure: Failure) -> bool:
    """Whether at most one more retry is left, after more than one try."""
    left = None if failure.max_attempts is None else failure.max_attempts - failure.attempt
    return failure.attempt > 1 and left is not None and left <= 1


def fingerprint(failure: Failure, category: Category, fields: tuple[str, ...] = ()) -> str:
    """What counts as one problem, as a short hash. `fields` are a CLASSIFY rule's; empty means the default ones."""
    values = _fields(failure, category)
    if not fields:
        fields = ("source", "livemode", "account", "category")
        if category not in INFRASTRUCTURE:
            # No line number: a deploy moves lines and must not open every alert again.
            fields += ("event_type", "exception", "module", "function")
    text = "\x1f".join(
        f"{name}={values[name] if name in values else failure.context.get(name.removeprefix('context.'), '')}"
        for name in fields
    )
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _fields(failure: Failure, category: Category) -> dict[str, str]:
    frame = failure.frame
    return {
        "source": failure.source,
        "livemode": str(failure.livemode),
        "account": failure.account,
        "category": category.value,
        "event_type": failure.event_type,
        "exception": failure.exceptions[0] if failure.exceptions else "",
        "module": frame.module if frame else "",
        "function": frame.function if frame else "",
        "endpoint": failure.endpoint,
        "object_id": failure.object_id,
        "customer": failure.customer,
    }


def _builtin_verdict(failure: Failure) -> Verdict:
    row = next((row for row in builtin.TABLE if _is_one_of(row, failure)), builtin.UNKNOWN)
    short = failure.exceptions[0].rpartition(".")[2] if failure.exceptions else "no exception"
    return Verdict(
        severity=severity_of(failure, row.category, row.transient),
        category=row.category,
        transient=row.transient,
        title=row.title.format(exc=short),
        hint=row.hint,
        fingerprint=fingerprint(failure, row.category),
        rule=f"built-in {row.name}",
    )


def _is_one_of(row: builtin.Builtin, failure: Failure) -> bool:
    return any(path in failure.exceptions for path in row.exceptions)


def _apply(rule: Rule, verdict: Verdict, failure: Failure) -> Verdict:
    category = rule.category or verdict.category
    transient = verdict.transient if rule.transient is None else rule.transient
    return replace(
        verdict,
        category=category,
        transient=transient,
        severity=rule.severity or severity_of(failure, category, transient),
        title=rule.title or verdict.title,
        hint=rule.hint or verdict.hint,
        fingerprint=fingerprint(failure, category, rule.fingerprint),
        rule=rule.name,
    )
