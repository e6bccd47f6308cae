"""The rows of recipients, and what makes everything for one wait: a full rate, or a provider that fails."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from functools import cache

from django.db.models import Exists, OuterRef, Q

from alerts_runtime.database.fast_sql import columns, places, select
from alerts_runtime.leasing.clock import brought_forward
from alerts_runtime.redaction.loggers import get_logger
from notifier.facts import FAILING, DeliveryError, Recipient, Result, WaitsFor
from notifier.models import Attempt, Target
from notifier.outbox.set_aside import NO_WAIT, set_aside

log = get_logger(__name__)

LONGEST_PAUSE = 30.0  # seconds; how late a message can be once its provider answers again


def row_of(target: Recipient) -> Target:
    """The row of a recipient; it is created if there is none."""
    return rows_of([target])[target.key]


def rows_of(recipients: Collection[Recipient]) -> dict[str, Target]:
    """The rows of several recipients by their keys; those that are missing are created."""
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
    """Change the address of a target. What waits for it and its rate stay with it."""
    log.info("target.address_changed", target=target.pk, channel=target.channel)
    Target.objects.filter(pk=target.pk).update(address=address)
    target.address = address


def bring_forward(by: timedelta, now: datetime) -> None:
    """Bring the waits of targets forward after the clock was set back by `by`."""
    Target.objects.filter(next_at__gt=now).update(next_at=brought_forward("next_at", by, now))


def wait_for_rate(target_id: int, token: str, until: datetime, rate: str) -> None:
    """Let a target wait, since its rate is used up. It changes one row, however many messages are due."""
    waiting = Target.objects.filter(pk=target_id, token=token)
    waiting.update(next_at=until, waits_for=WaitsFor.RATE, wait_ref=rate[:100])


def want_digests(target_id: int, now: datetime, *, wanted: bool) -> bool:
    """Note that a recipient unsubscribes from digests or wants them again; False when it was so already."""
    rows = Target.objects.filter(pk=target_id, no_digests_since__isnull=not wanted)
    return bool(rows.update(no_digests_since=None if wanted else now))


def failed(target_id: int, error: DeliveryError, in_a_row: int, now: datetime) -> None:
    """After a failed attempt: set the target aside, or let everything for it wait for a while."""
    if error.target_dead:
        set_aside(target_id, error, now)
        return
    # The first failure may be due to the message itself; from the second on it is taken as the provider's.
    pause = min(2.0 ** (in_a_row - 1), LONGEST_PAUSE) if in_a_row > 1 else 0.0
    if error.retry_after or pause:
        until = now + timedelta(seconds=max(error.retry_after or 0.0, pause))
        waits_for = WaitsFor.PAUSE if error.retry_after else WaitsFor.PROVIDER
        Target.objects.filter(pk=target_id).update(next_at=until, waits_for=waits_for, wait_ref=error.code[:100])


def arrived(target_ids: Iterable[int], now: datetime) -> None:
    """End the wait of failing targets that a message reached, unless an attempt that ended later was asked to wait."""
    failing = Target.objects.filter(waits_for__in=FAILING, pk__in=set(target_ids))
    recent = Attempt.objects.filter(target=OuterRef("pk"), started_at__gte=now - timedelta(hours=1))
    later = Attempt.objects.filter(
        target=OuterRef("target"),
        result__in=(Result.RETRY, Result.UNCERTAIN),
        started_at__gte=now - timedelta(hours=2),
        finished_at__gte=OuterRef("started_at"),
    )
    since_then = recent.filter(result=Result.DELIVERED).exclude(Exists(later))
    failing.filter(Q(next_at__lte=now) | Q(Exists(since_then))).update(**NO_WAIT)
