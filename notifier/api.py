"""What the site's own code may call: `alert`, `resolve`, `acknowledge` and `silence`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import QuerySet

from alerts_runtime.isolation import later
from alerts_runtime.leasing import clock
from alerts_runtime.redaction.loggers import get_logger
from alerts_runtime.redaction.redact import redact
from notifier.alerts import arguments
from notifier.alerts.counting import Recorded
from notifier.facts import Failure, Money, Verdict
from notifier.flow import pipeline
from notifier.flow.silences import silence
from notifier.judge.classify import fingerprint
from notifier.models import Alert
from notifier.oncall.present import policy_now

__all__ = ["acknowledge", "alert", "resolve", "silence"]

log = get_logger(__name__)
acknowledge = pipeline.acknowledge


def alert(
    title: str,
    *,
    key: str,
    severity: str = "error",
    category: str = "unknown",
    hint: str = "",
    message: str = "",
    exception: BaseException | None = None,
    livemode: bool = True,
    money: Money | None = None,
    context: Mapping[str, object] | None = None,
    resolve_after: timedelta | None = None,
    once: str = "",
    now: datetime | None = None,
) -> Recorded | None:
    """Raise an alert that is not about a webhook: `alert("Payout is late", key="payouts", severity="critical")`.

    Arguments:
        title: what is wrong, in one line. 150 characters of it are kept.
        key: what it is about. Calls with the same key are one alert, which counts them.
        severity: "info", "warning", "error" or "critical". An alert is as severe as the worst of its calls.
        category: what kind of thing broke, such as "database" or "data": see notifier.facts.Category.
        hint: what to do about it. 1,000 characters of it are kept.
        message: what happened this time; left out, the exception's text. 2,000 characters of it are kept.
        exception: its class can be matched by ROUTES and CLASSIFY.
        livemode: False for test mode, whose alerts are others.
        money: what is at stake, in the currency's smallest unit: Money(125_000, "eur") is 1,250.00 EUR.
        context: further values to match by and to show, such as {"plan": "pro"}.
        resolve_after: the time without a further call after which the alert is over; a year at most. Left out, as
            NOTIFIER["RESOLVE_AFTER"] says (an hour).
        once: calls with the same key and `once` count once, for good.
        now: when it happened, an aware datetime; left out, the present.

    Every text is redacted. The alert is over after `resolve_after`, or by `resolve(key)`.

    Returns where the call was counted, a Recorded, once that is committed; None when this `once` was counted before.
    Within a transaction, in asynchronous code and while the database is away, None is returned and a thread writes the
    alert on a connection of its own, so a rollback does not undo it. On SQLite, which has one writer, that happens when
    the transaction ends. A process that ends waits for it, one that is killed loses it; what cannot be written for an
    hour is told to the last resort (the log and ADMINS).

    Raises TypeError or ValueError for an argument that cannot be used, and nothing else.
    """
    when = clock.now() if now is None else now
    verdict_severity, verdict_category = arguments.severity(severity), arguments.category(category)
    arguments.check_texts(title=title, key=key, hint=hint, message=message, once=once)
    arguments.check_needed(title=title, key=key)
    arguments.check_values(exception, livemode, money, context, resolve_after, when)
    failure = Failure(
        key=arguments.occurrence_key(key, livemode, once),
        occurred_at=when,
        exceptions=arguments.classes(exception),
        message=redact(message[:10_000] or arguments.text_of(exception), limit=2000),
        source=arguments.source_of(key),
        livemode=livemode,
        money=Money(money.amount, money.currency.lower()) if money else None,
        context=arguments.context_of(context),
    )
    verdict = Verdict(
        severity=verdict_severity,
        category=verdict_category,
        transient=False,
        title=redact(title[:10_000], limit=150),
        hint=redact(hint[:10_000], limit=1000),
        fingerprint=fingerprint(failure, verdict_category, ("source", "livemode")),
        rule="alert()",
    )

    def write() -> Recorded | None:
        policy = policy_now(when)
        return pipeline.raised(failure, verdict, policy, when, resolve_after=resolve_after or policy.resolve_after)

    return _write(failure.source, verdict.title, write)


def resolve(key: str, how: str = "by the site", now: datetime | None = None) -> int:
    """End the open alerts that were raised by `alert(..., key=key)`, and tell whoever was told that they began.

    Arguments:
        key: as in `alert`.
        how: why it is over, in words that people read: "by the site", "payouts arrived".
        now: when, an aware datetime; left out, the present.

    Returns how many ended. Within a transaction they end when it commits, and go on when it is rolled back. In
    asynchronous code they end moments later, and 0 is returned.

    Raises TypeError when `key` or `how` is no text.
    """
    arguments.check_texts(key=key, how=how)
    source, when = arguments.source_of(key), clock.now() if now is None else now

    def write() -> int:
        return sum(pipeline.resolve(one, how, when) for one in _open(source))

    if later.in_event_loop():
        later.write(source, f"the end of {source}", write)
        return 0
    if not later.in_callers_transaction():
        return write()
    number = _open(source).count()
    # By the same thread and key as `alert`, so that it comes after alerts of the same transaction.
    transaction.on_commit(lambda: later.write(source, f"the end of {source}", write))
    return number


def _open(source: str) -> QuerySet[Alert]:
    return Alert.objects.filter(source=source, resolved_at__isnull=True)


def _write(source: str, title: str, write: Callable[[], Recorded | None]) -> Recorded | None:
    if not later.in_event_loop() and not later.in_callers_transaction():
        try:
            return write()
        except Exception:  # whatever it is, the caller's own work must go on
            log.exception("alert.not_recorded", key=source, title=title)
            if connection.in_atomic_block:  # within a TestCase, whose transaction is broken now
                return None
    later.write(source, title, write)
    return None
