"""Targets that cannot be reached: set aside, tried from time to time, and used again when something arrives."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q

from alerts_runtime.redaction.redact import redact
from notifier.facts import DeliveryError
from notifier.judge.delivery_status import NOT_SENT, UNWANTED
from notifier.models import Attempt, Target

NO_WAIT: dict[str, Any] = {"next_at": None, "waits_for": "", "wait_ref": ""}  # of a target
FIRST_PROBE, LONGEST_PROBE = timedelta(minutes=5), timedelta(hours=6)
FIRST_PAID_PROBE, LONGEST_PAID_PROBE = timedelta(hours=1), timedelta(days=1)


def set_aside(target_id: int, error: DeliveryError, now: datetime) -> None:
    """Set a target aside: its messages go to the failover until something arrives there again.

    An error of the whole channel, such as a revoked token, sets all of its targets aside.
    """
    detail = f"{error.code}: {redact(error.detail, limit=300)}"[:500]
    which = Q(pk=target_id)
    if error.channel_dead:
        which |= Q(channel__in=Target.objects.filter(pk=target_id).values("channel"))
    # Without `next_at`, so that its messages are diverted at once.
    alive = Target.objects.filter(which, dead_since__isnull=True)
    alive.update(dead_since=now, dead_detail=detail, dead_told=False, probe_at=now + FIRST_PROBE, **NO_WAIT)


def was_reported(target: Target) -> bool:
    """Whether a delivery report set it aside, and not a refusal. Then only a report can show that it works again:
    a provider also accepts messages for a mailbox or a telephone that does not exist.
    """
    if target.dead_since is None:
        return False
    just_before = (target.dead_since - timedelta(minutes=1), target.dead_since)
    return Attempt.objects.filter(
        target=target, receipt__in=NOT_SENT | UNWANTED, receipt_at__range=just_before
    ).exists()


def begin_probe(target: Target, now: datetime, *, costs: bool = False) -> None:
    """Let one message through to a target that was set aside, if a try is due; the next pause is longer.

    A channel that `costs` money is tried less often.
    """
    if target.dead_since is None or target.probe_at is None or target.probe_at > now:
        return
    first, longest = (FIRST_PAID_PROBE, LONGEST_PAID_PROBE) if costs else (FIRST_PROBE, LONGEST_PROBE)
    if now - target.dead_since < first:
        return
    pause = min(max(first, now - target.dead_since), longest)
    mine = Target.objects.filter(pk=target.pk, dead_since=target.dead_since, probe_at=target.probe_at)
    target.probing = bool(mine.update(probe_at=now + pause))


def mended(target_ids: Iterable[int]) -> list[Target]:
    """Use these targets again, and those of their channels that were set aside together with them."""
    found = list(Target.objects.filter(pk__in=list(target_ids)))
    same = Q(pk__in=[target.pk for target in found])
    for target in found:
        if target.dead_since is not None:
            same |= Q(channel=target.channel, dead_since=target.dead_since, dead_detail=target.dead_detail)
    revived = list(Target.objects.filter(same))
    Target.objects.filter(same).update(dead_since=None, dead_detail="", probe_at=None, **NO_WAIT)
    return revived


def set_aside_together(dead: Iterable[Target]) -> list[list[Target]]:
    """Group the targets that were set aside at once for one reason on a channel: one alert tells of each group."""
    groups: dict[tuple[str, datetime | None, str], list[Target]] = {}
    for target in dead:
        groups.setdefault((target.channel, target.dead_since, target.dead_detail), []).append(target)
    return list(groups.values())


def number_on(channel: str) -> int:
    """How many recipients a channel has had messages for."""
    return Target.objects.filter(channel=channel).count()


def told_of_death(target: Target) -> None:
    """Note that the alert about this target has been raised."""
    Target.objects.filter(pk=target.pk, dead_since=target.dead_since).update(dead_told=True)
