"""The events and money of each alert in a digest. An event counts once, in the alert in which it failed last."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet

from notifier.facts import NEVER_AGAIN, Money
from notifier.judge.money import add
from notifier.messages import each_event
from notifier.models import Alert, Occurrence


@dataclass(frozen=True, slots=True)
class Events:
    """The recovered, or the unrecovered, events of one alert."""

    number: int = 0
    dead: int = 0
    money: tuple[Money, ...] = ()
    unknown: int = 0  # events whose amount is unknown


def waiting(alerts: QuerySet[Alert]) -> dict[int, Events]:
    """The events of each alert that are not recovered."""
    return _per_alert(Occurrence.objects.filter(alert__in=alerts.values("pk"), recovered_at__isnull=True))


def recovered(alerts: QuerySet[Alert], start: datetime, end: datetime) -> dict[int, Events]:
    """The events of each alert that recovered in the period."""
    of_alerts = Occurrence.objects.filter(alert__in=alerts.values("pk")).exclude(recovered_how=NEVER_AGAIN)
    return _per_alert(of_alerts.filter(recovered_at__gte=start, recovered_at__lt=end))


def together(events: Mapping[int, Events], alerts: Collection[int]) -> tuple[Money, ...]:
    """The money of these alerts together."""
    return add(money for alert, one in events.items() if alert in alerts for money in one.money)


def _per_alert(occurrences: QuerySet[Occurrence]) -> dict[int, Events]:
    found: dict[int, list[each_event.Group]] = {}
    for group in each_event.groups(occurrences):
        found.setdefault(group.alert, []).append(group)
    return {
        alert: Events(
            number=sum(group.events for group in groups),
            dead=sum(group.events for group in groups if group.dead),
            money=each_event.money(groups),
            unknown=sum(group.unknown for group in groups),
        )
        for alert, groups in found.items()
    }
