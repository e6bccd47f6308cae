"""The only writer of Target: who sends to a recipient, from when on, and whether anything reaches it.

Order, throttle and folding concern a recipient, so it is the recipient that is leased: by compare-and-set, to the
holder of a token, until a time that the holder renews.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import Q

from core.redact import redact
from notifier.facts import DeliveryError
from notifier.facts import Target as To
from notifier.models import Target

LEASE = timedelta(seconds=45)  # longer than any channel's deadline; renewed while it is held


def row_of(target: To) -> Target:
    """The row of a recipient, made when it is first needed."""
    row, _ = Target.objects.get_or_create(
        key=target.key, defaults={"channel": target.channel, "address": target.address}
    )
    return row


def ready(channel: str, now: datetime) -> list[Target]:
    """Targets of a channel with something due that nobody holds and nothing holds back."""
    at = connection.ops.adapt_datetimefield_value(now)
    return list(Target.objects.raw(_READY, {"channel": channel, "now": at}))


# Asked by every channel at least once a second: building this by the ORM took most of an idle worker's time.
_READY = """
    SELECT * FROM notifier_target t
    WHERE channel = %(channel)s
        AND (lease_until IS NULL OR lease_until <= %(now)s)
        AND (next_at IS NULL OR next_at <= %(now)s)
        AND (
            EXISTS (SELECT 1 FROM notifier_notification n
                    WHERE n.target_id = t.id AND n.due_at <= %(now)s AND n.sending_id IS NULL)
            OR EXISTS (SELECT 1 FROM notifier_digest d
                       WHERE d.target_id = t.id AND d.due_at <= %(now)s AND d.sending_id IS NULL)
        )
"""


def lease(target: Target, now: datetime) -> str | None:
    """Claim a target by compare-and-set; the token, or None when another worker was first."""
    token = secrets.token_hex(16)
    free = Q(lease_until__isnull=True) | Q(lease_until__lte=now)
    claimed = Target.objects.filter(free, pk=target.pk).update(token=token, lease_until=now + LEASE)
    return token if claimed else None


def renew(target_id: int, token: str, now: datetime) -> bool:
    return bool(Target.objects.filter(pk=target_id, token=token).update(lease_until=now + LEASE))


def release(target_id: int, token: str) -> None:
    """Give a target back: what is still due for it is anybody's."""
    Target.objects.filter(pk=target_id, token=token).update(token="", lease_until=None)


def hold(target_id: int, token: str, until: datetime, held_by: str) -> None:
    """Nothing goes to a target until then: its throttle is full. One row, however many messages wait."""
    Target.objects.filter(pk=target_id, token=token).update(next_at=until, held_by=held_by[:100])


def held(target_id: int, token: str) -> Target | None:
    """The target as it is now, while we still hold it."""
    return Target.objects.filter(pk=target_id, token=token).first()


def set_aside(target_id: int, error: DeliveryError, now: datetime) -> None:
    """Nothing reaches it any more: its messages go to the failover until a test message arrives."""
    detail = f"{error.code}: {redact(error.detail, limit=300)}"[:500]
    alive = Target.objects.filter(pk=target_id, dead_since__isnull=True)
    alive.update(dead_since=now, dead_detail=detail, dead_told=False)


def mended(target_id: int) -> None:
    """Something reached it: it is no longer set aside."""
    Target.objects.filter(pk=target_id).update(dead_since=None, dead_detail="", next_at=None, held_by="")


def told_of_death(target: Target) -> None:
    """The alert about a target that was set aside has been raised."""
    Target.objects.filter(pk=target.pk, dead_since=target.dead_since).update(dead_told=True)


def failed(target_id: int, error: DeliveryError, now: datetime) -> None:
    """What a failed try says of its target: that nothing reaches it, or when it wants to hear next."""
    if error.target_dead:
        set_aside(target_id, error, now)
    if error.retry_after:
        until = now + timedelta(seconds=error.retry_after)
        Target.objects.filter(pk=target_id).update(next_at=until, held_by=f"asked to wait: {error.code}"[:100])
