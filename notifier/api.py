"""What other code of the site may call: raise an alert, acknowledge it, resolve it, silence it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from alerts_runtime.isolation import later
from alerts_runtime.redaction.loggers import get_logger
from alerts_runtime.redaction.redact import redact
from notifier.alerts import arguments
from notifier.alerts.store import Recorded
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
    """Raise an alert that is not about a webhook, e.g. `alert("Payout is late", key="payouts", severity="critical")`.

    Calls with one `key` are one alert, however often they come. It resolves when nothing was said for
    `resolve_after` (an hour, by setting; a year at most), or by `resolve(key)`. The same `once` is counted once, for
    good.

    Outside a transaction the alert is durable when this returns; the result says where it was counted, and is None
    when this `once` was counted before. Inside one, also a handler's, it outlives a rollback: a thread writes it on a
    connection of its own, and None is returned. It is durable moments later on PostgreSQL, and when the block ends on
    SQLite, which has one writer; a process that is killed before that loses it, one that ends waits for it. The same
    is done for asynchronous code, and when the database is away: for an hour, and then the log and ADMINS hear of it.

    Raises TypeError or ValueError for an argument that cannot be used, and nothing else.
    """
    when = timezone.now() if now is None else now
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
    """End the open alerts that were raised with this key; how many there were.

    Inside a transaction they end once it commits, and not when it is rolled back; called by asynchronous code, moments
    later, and nobody counts them.
    """
    arguments.check_texts(key=key, how=how)
    source, when = arguments.source_of(key), timezone.now() if now is None else now

    def write() -> int:
        return sum(pipeline.resolve(one, how, when) for one in _open(source))

    if later.in_event_loop():
        later.write(source, f"the end of {source}", write)
        return 0
    if not later.in_callers_transaction():
        return write()
    number = _open(source).count()
    # Behind what was raised with this key in the same transaction.
    transaction.on_commit(lambda: later.write(source, f"the end of {source}", write))
    return number


def _open(source: str) -> QuerySet[Alert]:
    return Alert.objects.filter(source=source, resolved_at__isnull=True)


def _write(source: str, title: str, write: Callable[[], Recorded | None]) -> Recorded | None:
    if not later.in_event_loop() and not later.in_callers_transaction():
        try:
            return write()
        except Exception:  # whatever it is, it must not break who raises an alert
            log.exception("alert.not_recorded", key=source, title=title)
            if connection.in_atomic_block:  # a test case's own
                return None
    later.write(source, title, write)
    return None
