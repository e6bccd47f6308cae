"""The parts of a digest about what was held back, and what could not be delivered."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, F, Q, QuerySet

from notifier.facts import HeldBy, Result
from notifier.messages.digest_data import Held, Undelivered
from notifier.models import Alert, Attempt, Ignored, Notification, Silence, Target


@dataclass(frozen=True, slots=True)
class HeldRow:
    """A notification that a guard held back."""

    alert: int
    by: str
    since: datetime | None
    failures: int  # that the target was not told
    over: bool  # the alert is resolved, and the target was never told


def held_rows(alerts: QuerySet[Alert]) -> list[HeldRow]:
    rows = (
        Notification.objects.filter(alert__in=alerts.values("pk"))
        .exclude(Q(held_by="") | Q(held_by=HeldBy.DIVERTED))  # stand-ins were told of these
        .annotate(failures=F("alert__count") - F("told_seq"))
        .order_by("pk")
        .values_list("alert_id", "held_by", "held_ref", "held_since", "failures", "alert__resolved_at", "told_at")
    )
    return [
        HeldRow(alert, HeldBy(by).words(ref), since, failures, over=resolved_at is not None and told_at is None)
        for alert, by, ref, since, failures, resolved_at, told_at in rows
    ]


def by_guard(rows: Iterable[HeldRow]) -> tuple[Held, ...]:
    """Sum up by guard, the guard that held most first. An alert counts once, for however many targets it was held."""
    guards: dict[str, dict[int, HeldRow]] = {}
    since: dict[str, datetime] = {}
    for row in rows:
        alerts = guards.setdefault(row.by, {})
        if row.alert not in alerts or row.failures > alerts[row.alert].failures:
            alerts[row.alert] = row
        if row.since:
            since[row.by] = min(row.since, since.get(row.by, row.since))
    comments = _comments(guards)
    return tuple(
        Held(
            by=by,
            alerts=len(alerts),
            failures=sum(row.failures for row in alerts.values()),
            over=sum(row.over for row in alerts.values()),
            since=since.get(by),
            comment=comments.get(by, ""),
        )
        for by, alerts in sorted(guards.items(), key=lambda item: (-len(item[1]), item[0]))
    )


def undelivered(alerts: QuerySet[Alert], start: datetime, end: datetime) -> tuple[Undelivered, ...]:
    """Targets that are set aside, messages that were refused in the period, and alerts that could not be sent yet."""
    aside = Target.objects.filter(dead_since__isnull=False).order_by("pk").values_list("channel", "dead_detail")
    # Filtered by target, which the index begins with.
    tries = Attempt.objects.filter(target__in=Target.objects.values("pk"), started_at__gte=start, started_at__lt=end)
    refused = tries.filter(result=Result.REJECTED.value).values_list("target__channel", "code").annotate(Count("pk"))
    failing = (
        Notification.objects.filter(alert__in=alerts.values("pk"))
        .exclude(last_error="")
        .values_list("target__channel", "last_error")
        .annotate(Count("pk"))
        .order_by()
    )
    return (
        *(Undelivered(channel, f"set aside: {detail}") for channel, detail in aside),
        *(Undelivered(channel, f"refused: {code}", "message", number) for channel, code, number in _counted(refused)),
        *(Undelivered(channel, error, "alert", number) for channel, error, number in _counted(failing)),
    )


def _counted(rows: Iterable[tuple[str, str, int]]) -> list[tuple[str, str, int]]:
    """Sort by the number, the highest first."""
    return sorted(rows, key=lambda row: (-row[2], row[0], row[1]))


def _comments(guards: Iterable[str]) -> dict[str, str]:
    """The authors and comments of silences and ignored kinds, by what `held_by` says."""
    found = {}
    for kind, model in (("silence ", Silence), ("ignored ", Ignored)):
        numbers = {int(by.removeprefix(kind)): by for by in guards if by.removeprefix(kind).isdigit()}
        for row in model._default_manager.filter(pk__in=numbers) if numbers else ():
            found[numbers[row.pk]] = f"{row.comment}, by {row.author}".removeprefix(", ")
    return found
