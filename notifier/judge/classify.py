"""(failure, rules of CLASSIFY) -> Verdict, or None to ignore it. The built-in verdict, changed by a rule. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace

from alerts_runtime.failures.kinds import KINDS, UNKNOWN
from notifier.facts import INFRASTRUCTURE, Category, Failure, Severity, Verdict
from notifier.judge import builtin
from notifier.judge.match import matches, subject_of
from notifier.judge.policy import Rule

# A transient failure is a warning at first, and an outage from this attempt on.
OUTAGE_ATTEMPT = 2
_GROUPS = frozenset({"ExceptionGroup", "BaseExceptionGroup", "Exception"})
# A site has several such services, and each has an alert of its own.
_ONE_EACH = frozenset({Category.DATABASE, Category.NETWORK, Category.RATE_LIMIT})

_NAMED = 3  # of the callbacks that did not run; the admin has all


def classify(failure: Failure, rules: Iterable[Rule]) -> Verdict | None:
    """The built-in verdict, changed by the first rule that matches; None when that rule says `ignore`."""
    verdict = _builtin_verdict(failure)
    rule = next((rule for rule in rules if matches(rule.matcher, subject_of(failure, verdict))), None)
    if rule is not None:
        if rule.ignore:
            return None
        verdict = _apply(rule, verdict, failure)
    return _after_commit(verdict, failure) if failure.after_commit else verdict


def _after_commit(verdict: Verdict, failure: Failure) -> Verdict:
    """The verdict for a failure after the commit: nothing is retried, and people have to do by hand what is missing."""
    more = len(failure.not_run) - _NAMED
    names = ", ".join(failure.not_run[:_NAMED]) + (f" and {more} more" if more > 0 else "")
    hint = (
        "What the event did is committed; only what was to follow the commit failed. Do that by hand and resolve this "
        f"alert, or `manage.py replay {failure.event_id}`, which runs the handlers again with all their effects."
    )
    hint += f" Did not run: {names}." if names else ""
    return replace(verdict, transient=False, hint=hint)


def severity_of(failure: Failure, category: Category, transient: bool) -> Severity:
    """The severity of a failure, where no rule says another.

    In live mode an event that is not tried again is critical, and so is an outage of the database or Stripe: a
    transient failure that came back. In test mode nothing is critical.
    """
    if not failure.livemode:
        return Severity.WARNING if transient and failure.will_retry else Severity.ERROR
    if not failure.will_retry or category is Category.WORKER or nearly_spent(failure):
        return Severity.CRITICAL
    if not transient:
        return Severity.ERROR
    if failure.attempt < OUTAGE_ATTEMPT:
        return Severity.WARNING
    # Rate limits and slow services mostly pass before they cost money.
    return Severity.CRITICAL if category in {Category.DATABASE, Category.STRIPE_API} else Severity.ERROR


def nearly_spent(failure: Failure) -> bool:
    """Whether at most one more retry is left, after more than one try."""
    left = None if failure.max_attempts is None else failure.max_attempts - failure.attempt
    return failure.attempt > 1 and left is not None and left <= 1


def fingerprint(failure: Failure, category: Category, fields: tuple[str, ...] = ()) -> str:
    """A short hash that is the same for failures that make one alert.

    `fields`: those of a CLASSIFY rule; empty: by default, see below.
    """
    values = _fields(failure, category)
    if not fields:
        fields = ("source", "livemode", "account", "category")
        if category not in INFRASTRUCTURE or failure.after_commit:
            # No line number: a deploy moves lines and must not open every alert again.
            fields += ("event_type", "exception", "module", "function")
        elif category in _ONE_EACH:
            fields += ("peer",)
    if failure.after_commit:  # it needs an alert of its own, since no retry will end it
        fields += ("after_commit",)
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
        "exception": _telling(failure),
        "module": frame.module if frame else "",
        "function": frame.function if frame else "",
        "peer": _peer(failure, category),
        "endpoint": failure.endpoint,
        "object_id": failure.object_id,
        "customer": failure.customer,
        "after_commit": str(failure.after_commit),
    }


def _peer(failure: Failure, category: Category) -> str:
    """The service that it is about; where that is not known, the module that called it."""
    if failure.peer or category is Category.DATABASE:  # without a name it is the site's own database
        return failure.peer
    return failure.frame.module if failure.frame else ""


def _builtin_verdict(failure: Failure) -> Verdict:
    kind, transient = KINDS.get(failure.kind, UNKNOWN), failure.transient
    words = builtin.WORDS[kind.name]
    short = _telling(failure).rpartition(".")[2] or "no exception"
    return Verdict(
        severity=severity_of(failure, kind.category, transient),
        category=kind.category,
        transient=transient,
        title=words.title.format(exc=short, service=failure.peer or "a service"),
        hint=f"{words.hint} {builtin.RETRIED}" if transient and failure.will_retry else words.hint,
        fingerprint=fingerprint(failure, kind.category),
        rule=f"built-in {kind.name}",
    )


def _telling(failure: Failure) -> str:
    """The exception's class; of a group that of its worst part, which comes next in the list."""
    if "BaseExceptionGroup" in failure.exceptions:
        return next((path for path in failure.exceptions[1:] if path not in _GROUPS), failure.exceptions[0])
    return failure.exceptions[0] if failure.exceptions else ""


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
