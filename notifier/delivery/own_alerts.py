"""Alerts about troubles that raise no exception: unreachable recipients, unreadable silences, missing events."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

from alerts_runtime.isolation.parts import on_its_own
from alerts_runtime.redaction.masking import masked
from notifier import api
from notifier.config.conf import get_policy
from notifier.facts import Category
from notifier.flow import silences
from notifier.intake import source
from notifier.judge import watch
from notifier.models import Alert, Target
from notifier.outbox import (
    set_aside,
)

NOT_BY_ITSELF = timedelta(days=366)


def tell_of_dead_targets(now: datetime) -> None:
    """Raise an alert for each target that was set aside, and end it when something arrives there."""
    dead = Target.objects.filter(dead_since__isnull=False).order_by("pk")
    told = {f"delivery.{target.pk}" for target in dead}
    # Only the open alerts that `_tell_of_dead` raised.
    raised = Alert.objects.filter(account="", livemode=True, category=Category.DELIVERY, resolved_at__isnull=True)
    open_alerts = raised.filter(source__startswith="delivery.")
    for name in open_alerts.values_list("source", flat=True):
        if name not in told:
            on_its_own("end alert", partial(api.resolve, name, "something arrived there", now), key=name)
    for together in set_aside.set_aside_together(dead.filter(dead_told=False)):
        on_its_own("tell of the dead target", partial(_tell_of_dead, together, now), key=together[0].pk)


def _tell_of_dead(together: Sequence[Target], now: datetime) -> None:
    first, number = together[0], set_aside.number_on(together[0].channel)
    others = number - len(together)
    who = "be used" if not others else f"reach {', '.join(masked(one.address) for one in together[:3])}"
    rest = f" {others} of its {number} recipients are still told." if others else ""
    api.alert(
        f"Channel {first.channel} cannot {who}: {first.dead_detail}",
        key=f"delivery.{first.pk}",
        severity="error",
        category="delivery",
        hint=f"Fix it, then run `manage.py send_test {first.channel}`: when that arrives, alerts go there again. "
        f"From time to time a message tries it by itself.{rest}",
        resolve_after=NOT_BY_ITSELF,
        once=str(first.dead_since),
        now=now,
    )
    for target in together:
        set_aside.told_of_death(target)


def tell_of_unreadable_silences(now: datetime) -> None:
    """Raise an alert for each silence that cannot be read: it holds nothing, while its author believes that it does."""
    for row in silences.unreadable(now):
        api.alert(
            f"Silence {row.pk} cannot be read, so it silences nothing",
            key=f"silence.{row.pk}",
            severity="warning",
            category="configuration",
            hint="Correct what it matches in the admin, or end it there.",
            once=f"{row.pk} {now:%Y%m%d%H%M}",
            now=now,
        )


def watch_inbound(now: datetime) -> None:
    """Raise an alert for each finding about incoming events (missing, late); it ends after a quiet time."""
    policy = get_policy()
    seen = source.seen(policy.watch.window, policy.watch.expect, now)
    for finding in watch.findings(seen, policy.watch, now):
        api.alert(
            finding.title,
            key=finding.key,
            severity=finding.severity.label,
            category=finding.category,
            hint=finding.hint,
            resolve_after=policy.watch.window,
            # Every worker reports it: a finding counts once a minute.
            once=f"{now:%Y%m%d%H%M}",
            now=now,
        )
