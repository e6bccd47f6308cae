"""The loops that a worker runs for the notifier: one courier for each channel, and tick."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from django.db.models import Case, Min, Q, When
from django.db.models.functions import Coalesce, Greatest

from alerts_runtime.background import Loop, Pool
from alerts_runtime.leasing import clock
from notifier.calendars import imports
from notifier.config.conf import get_policy
from notifier.delivery import user_groups
from notifier.delivery.courier import Courier, topic_of
from notifier.delivery.tick import Tick
from notifier.facts import HeldBy, WaitsFor
from notifier.models import Digest, Notification
from notifier.outbox import (
    leases,
)

COURIERS = 4  # threads that judge and write; each call to a provider has one of its own, without a connection


def loops() -> Iterator[Loop]:
    """The loops: a courier for each channel, which share a pool of threads, and others with a thread each."""
    pool = Pool("couriers", COURIERS, ready, oldest_of_all)
    for alias in get_policy().channels:
        courier = Courier(alias)
        yield Loop(
            courier.topic,
            courier.step,
            topic=courier.topic,
            oldest_due=oldest_due(alias),
            close=courier.close,
            busy=courier.busy,
            pool=pool,
        )
    if any(rotation.ics for rotation in get_policy().rotations.values()):
        yield Loop("notifier-calendars", imports.Reader().step)
    if any(rotation.slack_group for rotation in get_policy().rotations.values()):
        yield Loop("notifier-user-groups", user_groups.Follower().step)
    yield Loop("notifier-tick", Tick().step)


def ready() -> set[str]:
    """The topics of the couriers that have something to do."""
    channels = get_policy().channels
    after = min((channel.failover_after for channel in channels.values()), default=timedelta.max)
    return {topic_of(alias) for alias in leases.ready_channels(clock.now(), after) if alias in channels}


def oldest_due(alias: str) -> Callable[[datetime], datetime | None]:
    """A function that says since when something could have been sent on a channel and was not."""
    return lambda now: _oldest(now, Q(target__channel=alias)).get(alias)


def oldest_of_all(now: datetime) -> dict[str, datetime]:
    """The same for all couriers at once, by topic, with one query of each table."""
    channels = get_policy().channels
    return {topic_of(alias): at for alias, at in _oldest(now, Q()).items() if alias in channels}


def _oldest(now: datetime, which: Q) -> dict[str, datetime]:
    free = Notification.objects.filter(which, due_at__lte=now, sending__isnull=True)
    digests = Digest.objects.filter(which, due_at__lte=now, sending__isnull=True)
    # What waits for a failing provider counts as late since it was due, unless it was diverted. What waits for another
    # reason (a rate) counts from the end of that wait.
    asked = Q(target__waits_for=WaitsFor.PAUSE)
    waits = Q(target__next_at__gt=now) & ~asked
    since = Case(When(asked, then="due_at"), default=Greatest("due_at", Coalesce("target__next_at", "due_at")))
    alerts_due = free.exclude(held_by=HeldBy.DIVERTED)
    oldest: dict[str, datetime] = {}
    for rows in (alerts_due, digests):
        for alias, at in rows.exclude(waits).values_list("target__channel").annotate(at=Min(since)):
            oldest[alias] = min(at, oldest.get(alias, at))
    return oldest
