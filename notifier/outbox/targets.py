"""The recipients, and what holds back all that goes to one: its rate, or a provider that asks to wait."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from functools import cache

from django.db.models import Exists, OuterRef, Q

from alerts_runtime.database.fast_sql import columns, places, select
from alerts_runtime.leasing.clock import brought_forward
from alerts_runtime.redaction.loggers import get_logger
from notifier.facts import DeliveryError, Recipient, Result
from notifier.models import Attempt, Target
from notifier.outbox.set_aside import set_aside

log = get_logger(__name__)

FAILING = "provider"  # how `held_by` begins from failed tries until something arrives: one is tried at a time
ASKS_TO_WAIT = f"{FAILING} asks to wait"
LONGEST_PAUSE = 30.0  # seconds; by so much a message is late at most when its provider is back


def row_of(target: Recipient) -> Target:
    """The row of a recipient, made when it is first needed."""
    return rows_of([target])[target.key]


def rows_of(recipients: Collection[Recipient]) -> dict[str, Target]:
    """The same of several, by their keys."""
    if not recipients:
        return {}
    keys = [one.key for one in recipients]
    rows: dict[str, Target] = {row.key: row for (row,) in select([Target], _of_keys(len(keys)), keys)}
    for one in recipients:
        if one.key not in rows:
            rows[one.key], _ = Target.objects.get_or_create(
                key=one.key, defaults={"channel": one.channel, "address": one.address}
            )
    return rows


@cache
def _of_keys(number: int) -> str:
    return f"SELECT {columns(Target)} FROM swa_notifier_target WHERE key IN ({places(number)})"  # noqa: S608 - the model's own names


def move(target: Target, address: str) -> None:
    """A person is reached elsewhere from now on; what waits for them, and how often they are told, stays theirs."""
    log.info("target.address_changed", target=target.pk, channel=target.channel)
    Target.objects.filter(pk=target.pk).update(address=address)
    target.address = address


def bring_forward(by: timedelta, now: datetime) -> None:
    """The clock was stepped back by so much: what targets wait for ends as much earlier."""
    Target.objects.filter(next_at__gt=now).update(next_at=brought_forward("next_at", by, now))


def hold(target_id: int, token: str, until: datetime, held_by: str) -> None:
    """Nothing goes to a target until then: its throttle is full. One row, however many messages wait."""
    Target.objects.filter(pk=target_id, token=token).update(next_at=until, held_by=held_by[:100])


def want_digests(target_id: int, now: datetime, *, wanted: bool) -> bool:
    """A recipient unsubscribes from digests, or wants them again; False when it was so already."""
    rows = Target.objects.filter(pk=target_id, no_digests_since__isnull=not wanted)
    return bool(rows.update(no_digests_since=None if wanted else now))


def is_failing(target: Target) -> bool:
    return target.held_by.startswith(FAILING)


def failed(target_id: int, error: DeliveryError, in_a_row: int, now: datetime) -> None:
    """What a failed try says of its target: that nothing reaches it, or when to try again, whatever waits for it."""
    if error.target_dead:
        set_aside(target_id, error, now)
        return
    # The first failure may be the message's own; the second is the provider's.
    pause = min(2.0 ** (in_a_row - 1), LONGEST_PAUSE) if in_a_row > 1 else 0.0
    if error.retry_after or pause:
        until = now + timedelta(seconds=max(error.retry_after or 0.0, pause))
        why = ASKS_TO_WAIT if error.retry_after else f"{FAILING} cannot be reached"
        Target.objects.filter(pk=target_id).update(next_at=until, held_by=f"{why}: {error.code}"[:100])


def arrived(target_ids: Iterable[int], now: datetime) -> None:
    """Something reached them. What another try was asked to wait for stands, unless this one began after it."""
    failing = Target.objects.filter(held_by__startswith=FAILING, pk__in=set(target_ids))
    recent = Attempt.objects.filter(target=OuterRef("pk"), started_at__gte=now - timedelta(hours=1))
    later = Attempt.objects.filter(
        target=OuterRef("target"),
        result__in=(Result.RETRY, Result.UNCERTAIN),
        started_at__gte=now - timedelta(hours=2),
        finished_at__gte=OuterRef("started_at"),
    )
    since_then = recent.filter(result=Result.DELIVERED).exclude(Exists(later))
    failing.filter(Q(next_at__lte=now) | Q(Exists(since_then))).update(held_by="", next_at=None)
