"""Alerts as messages tell them, for a whole list with a fixed number of queries."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.core.cache import cache
from django.db.models import Count, Max, Min, Q, Sum

from notifier.config.conf import get_policy
from notifier.facts import Reason
from notifier.messages import phrases, story
from notifier.messages.telling import Story, Totals
from notifier.models import Alert, Notification, Occurrence
from notifier.pages import money
from notifier.pages.access import Viewer

KEEP, REMEMBERED = 10, 600  # seconds


@dataclass(frozen=True, slots=True)
class Line:
    """One alert in a list."""

    alert: Alert
    story: Story

    @property
    def headline(self) -> str:
        return phrases.wrong(self.story)

    @property
    def facts(self) -> list[str]:
        """What is at stake, in the words of a message; the mode has a mark of its own."""
        return [fact.words for fact in phrases.facts(self.story) if fact.label != "Mode"]

    @property
    def action(self) -> str:
        return phrases.action(self.story)

    @property
    def acknowledged(self) -> bool:
        until = self.alert.acknowledged_until
        return until is not None and until > self.story.now


def waiting() -> list[money.Sum]:
    """What is not recovered of everything that is open, per alert.

    Added up again as soon as an alert opens, ends or counts a failure; what recovers meanwhile is up to ten seconds
    old, since with 100,000 failures this is most of a page's time.
    """
    still_open = Alert.objects.filter(resolved_at__isnull=True)
    state = still_open.aggregate(number=Count("pk"), failures=Sum("count"), newest=Max("last_at"), last=Max("pk"))
    key = "notifier.pages.waiting." + "-".join(str(value).replace(" ", "T") for value in state.values())
    found: list[money.Sum] | None = cache.get(key)
    if found is None:
        still = Occurrence.objects.filter(recovered_at__isnull=True, alert__resolved_at__isnull=True)
        found = money.sums(still, "alert_id")
        cache.set(key, found, KEEP)
    return found


def lines(alerts: Sequence[Alert], sums: Iterable[money.Sum], viewer: Viewer) -> list[Line]:
    """Each of these alerts with its sums, in one query more. `sums` are those of `waiting`."""
    waits: dict[int, list[money.Sum]] = {}
    for one in sums:
        waits.setdefault(one.group, []).append(one)
    counted = _counted(alerts)
    return [
        Line(
            alert,
            story.of_alert(
                alert,
                _totals(counted[alert.pk], waits.get(alert.pk, [])),
                viewer.now,
                reason=Reason.UPDATE,
                tz=viewer.zone,
            ),
        )
        for alert in alerts
    ]


def _totals(row: dict[str, Any], left: list[money.Sum]) -> Totals:
    return Totals(
        first_at=row.get("first"),
        events=row.get("events", 0),
        types=row.get("types", 0),
        customers=row.get("customers", 0),
        customer=row.get("customer", "") if row.get("customers") == 1 else "",
        at_risk=money.of(left),
        unknown=sum(one.unknown for one in left),
        dead=sum(one.dead for one in left),
    )


def _counted(alerts: Sequence[Alert]) -> dict[int, dict[str, Any]]:
    """How many events, types and customers each has: the same until the next failure, and so remembered."""
    keys = {alert.pk: f"notifier.pages.counted.{alert.pk}.{alert.count}" for alert in alerts}
    known = cache.get_many(list(keys.values()))
    unknown = [pk for pk, key in keys.items() if key not in known]
    rows = (
        Occurrence.objects.filter(alert__in=unknown)
        .values("alert")
        .annotate(
            first=Min("occurred_at"),
            events=Count("event_id", distinct=True, filter=~Q(event_id="")),
            types=Count("event_type", distinct=True, filter=~Q(event_type="")),
            customers=Count("customer", distinct=True, filter=~Q(customer="")),
            customer=Max("customer"),
        )
        .order_by()
    )
    new: dict[str, dict[str, Any]] = {keys[row["alert"]]: dict(row) for row in rows} if unknown else {}
    cache.set_many(new, REMEMBERED)
    return {pk: known.get(key) or new.get(key, {}) for pk, key in keys.items()}


def whole(alert: Alert, viewer: Viewer) -> Story:
    """Everything that a message would say of one alert now, for nobody in particular."""
    policy = replace(get_policy(), tz=viewer.zone)
    return story.tell(Notification(alert=alert), Reason.UPDATE, viewer.now, policy=policy)
