"""The state of the system: what waits, which workers run, and what each channel's provider last answered."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Min, OuterRef, Q, Subquery

from alerts_runtime.models import WorkerHeartbeat
from alerts_runtime.monitoring import heartbeat, watchdog
from notifier.config.conf import get_policy
from notifier.judge.policy import ChannelConfig
from notifier.models import Attempt, Notification, Target


@dataclass(frozen=True, slots=True)
class Workers:
    alive: int
    last_beat: datetime | None
    hung: int
    headline: str  # why it is bad that none works, or that one is stuck; "": nothing is wrong
    todo: str


@dataclass(frozen=True, slots=True)
class Standing:
    """One recipient of a channel, and how it stands with it."""

    row: Target
    due: int  # messages that should have gone by now
    held: int
    oldest: datetime | None
    last: Attempt | None
    waits_for: str


@dataclass(frozen=True, slots=True)
class Health:
    channel: ChannelConfig
    recipients: tuple[Standing, ...]

    @property
    def state(self) -> str:
        """The worst that is known of it, as a word that the page translates and colours."""
        rows = [one.row for one in self.recipients]
        if self.channel.unconfigured:
            return "unset"
        if rows and all(row.dead_since for row in rows):
            return "dead"
        if any(row.dead_since for row in rows):
            return "partly"
        if any(row.is_failing for row in rows):
            return "failing"
        return "printed" if self.channel.prints else "well" if rows else "unused"


def workers(now: datetime) -> Workers:
    found = watchdog.inspect(now)
    bad = found.verdict in (watchdog.Verdict.DEAD, watchdog.Verdict.STUCK)
    headline, todo = watchdog.describe(found) if bad else ("", "")
    alive = WorkerHeartbeat.objects.filter(beat_at__gte=now - watchdog.BEAT_WITHIN).count()
    return Workers(alive, found.last_beat, heartbeat.hung(now, watchdog.BEAT_WITHIN), headline, todo)


def channels(now: datetime) -> list[Health]:
    """Each channel of the settings with its recipients, and those that are still told although none names them."""
    rows = list(Target.objects.order_by("channel", "pk"))
    last = _last_attempts(rows)
    waiting: dict[int, Any] = {
        row["target"]: row
        for row in Notification.objects.filter(due_at__isnull=False)
        .values("target")
        .annotate(
            due=Count("pk", filter=Q(due_at__lte=now)),
            held=Count("pk", filter=~Q(held_by="")),
            oldest=Min("due_at", filter=Q(due_at__lte=now)),
        )
        .order_by()
    }
    of: dict[str, list[Standing]] = {}
    for row in rows:
        counts = waiting.get(row.pk, {})
        due, held = counts.get("due", 0), counts.get("held", 0)
        one = Standing(row, due, held, counts.get("oldest"), last.get(row.pk), row.wait_at(now))
        of.setdefault(row.channel, []).append(one)
    return [Health(channel, tuple(of.get(alias, ()))) for alias, channel in get_policy().channels.items()]


def _last_attempts(rows: list[Target]) -> dict[int, Attempt]:
    """The newest try of each recipient: one look each into the index on (target, started_at)."""
    newest = Attempt.objects.filter(target=OuterRef("pk")).order_by("-started_at").values("pk")[:1]
    ids = Target.objects.filter(pk__in=[row.pk for row in rows]).annotate(last=Subquery(newest)).values("last")
    return {one.target_id: one for one in Attempt.objects.filter(pk__in=ids).defer("text")}
