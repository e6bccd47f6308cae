"""What other code of the site may call: raise an alert, acknowledge it, resolve it, silence it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta

import structlog
from django.db import Error
from django.utils import timezone

from core.redact import redact
from notifier import pipeline
from notifier.alerts import Recorded
from notifier.classify import fingerprint
from notifier.conf import get_policy
from notifier.facts import Category, Failure, Money, Severity, Verdict
from notifier.match import canonical
from notifier.models import Alert
from notifier.silences import silence

__all__ = ["acknowledge", "alert", "resolve", "silence"]

log = structlog.get_logger(__name__)
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
    context: Mapping[str, str] | None = None,
    resolve_after: timedelta | None = None,
    once: str = "",
    now: datetime | None = None,
) -> Recorded | None:
    """Raise an alert that is not about a webhook, e.g. `alert("Payout is late", key="payouts", severity="critical")`.

    Calls with one `key` are one alert, however often they come. It resolves when nothing was said for
    `resolve_after` (an hour, by setting), or by `resolve(key)`. The same `once` is counted once. Raises ValueError
    for an unknown severity or category; a database that is away is logged and never breaks the caller.
    """
    when = now or timezone.now()
    policy = get_policy()
    try:
        verdict_severity, verdict_category = Severity[severity.upper()], Category(category)
    except (KeyError, ValueError) as error:
        raise ValueError(f"alert(): {error} is neither a severity nor a category of notifier.facts") from None
    failure = Failure(
        key=f"{key}:{once or secrets.token_hex(8)}"[:100],
        occurred_at=when,
        exceptions=tuple(canonical(f"{c.__module__}.{c.__qualname__}") for c in type(exception).__mro__[:-2])
        if exception
        else (),
        message=redact(message or str(exception or ""), limit=2000),
        source=key[:100],
        livemode=livemode,
        money=money,
        context={name: redact(str(value), limit=200) for name, value in (context or {}).items()},
    )
    verdict = Verdict(
        severity=verdict_severity,
        category=verdict_category,
        transient=False,
        title=redact(title, limit=150),
        hint=redact(hint, limit=1000),
        fingerprint=fingerprint(failure, verdict_category, ("source", "livemode")),
        rule="alert()",
    )
    try:
        return pipeline.raised(failure, verdict, policy, when, resolve_after=resolve_after or policy.resolve_after)
    except Error:
        log.exception("alert could not be recorded", key=key, severity=severity, title=verdict.title)
        return None


def resolve(key: str, how: str = "by the site", now: datetime | None = None) -> int:
    """End the open alerts that were raised with this key; how many there were."""
    open_alerts = Alert.objects.filter(source=key, resolved_at__isnull=True)
    return sum(pipeline.resolve(one, how, now or timezone.now()) for one in open_alerts)
