"""Other targets hear of an alert in the place of one that cannot be told, or is no longer named."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db.models import Q

from alerts_runtime.redaction import masking
from alerts_runtime.redaction.loggers import get_logger
from notifier.facts import Reason, Recipient
from notifier.judge.guards import UNREACHED
from notifier.judge.policy import Policy
from notifier.models import Digest, Notification, Target
from notifier.outbox import hold_history, set_aside, targets
from notifier.outbox.holding import LONGEST_HOLD, LOOK_AGAIN
from notifier.outbox.plans import change, replan

log = get_logger(__name__)

DIVERTED = "diverted"  # how `held_by` begins while others stand in for a target


def revive(target: Target, now: datetime) -> None:
    """A test message went through: the target hears of alerts again, at once of what could not be told meanwhile."""
    revived = set_aside.mended([target.pk])
    waiting = Notification.objects.filter(target__in=revived, due_at__isnull=False, sending__isnull=True)
    waiting.filter(Q(held_by__startswith=DIVERTED) | Q(tries__gt=0)).update(due_at=now)


def begin_anew(target: Target) -> None:
    """It is reached elsewhere now: what was sent to the old address, for sure or perhaps, has not come to this one."""
    of_it = Notification.objects.filter(target=target, sending__isnull=True)
    of_it.exclude(thread="").update(thread="", listed=False)
    of_it.filter(tries__gt=0).update(tries=0, trying_since=None)
    Digest.objects.filter(target=target, sending__isnull=True, tries__gt=0, due_at__isnull=False).update(tries=0)


def divert(row: Notification, why: str, to: Iterable[Recipient], policy: Policy, now: datetime) -> int:
    """Let other targets stand in for this one; how many will hear of it.

    What is still open is judged again later, for the target may be back by then, or have a new day's budget.
    """
    told = _stand_in(row, why, to, policy, now)
    since = row.held_since if row.held_since and row.held_by.startswith(DIVERTED) else now
    hold_history.begin(row, f"{DIVERTED}: {why}", now)
    if not told and why == UNREACHED:
        # Nobody stands in: the last resort has heard, and the target is tried as often as before.
        change(row, held_by=f"{DIVERTED}: {why}", held_since=since)
        return 0
    over = row.alert.resolved_at is not None
    change(
        row,
        due_at=None if over else now + min(max(LOOK_AGAIN, now - since), LONGEST_HOLD),
        held_by="" if over else f"{DIVERTED}: {why}"[:100],
        held_since=None if over else since,
        last_error=f"{DIVERTED}: {why}"[:500],
        rejected=False,
        tries=0,
        trying_since=None,
    )
    return told


def leave(row: Notification, why: str, to: Iterable[Recipient], policy: Policy, now: datetime) -> int:
    """Nothing more for a target that is no longer named; how many others hear of the alert in its place."""
    told = _stand_in(row, why, to, policy, now)
    change(row, route="", due_at=None, held_by=why[:100], held_since=None, rejected=False, tries=0, trying_since=None)
    return told


def _stand_in(row: Notification, why: str, to: Iterable[Recipient], policy: Policy, now: datetime) -> int:
    alert = row.alert
    told = 0
    for target in to:
        if target.key == row.target.key:
            continue
        stand_in, created = Notification.objects.get_or_create(
            alert=alert,
            target=targets.row_of(target),
            defaults={
                "route": row.route,
                "reason": Reason.FIRST,
                "instead_of": f"{masking.named(row.target.channel, row.target.address)}: {why}"[:300],
            },
        )
        if not created and stand_in.last_error and stand_in.sending_id is None:
            continue  # it could not be told either: two channels that stand in for each other must not go in circles
        told += 1
        if not stand_in.route:
            change(stand_in, route=row.route)
        if row.level > max(row.told_level, stand_in.level):  # it is this one that is to answer now
            Notification.objects.filter(pk=stand_in.pk).update(level=row.level)
            stand_in.level = row.level
        if alert.resolved_at is not None:
            _take_over(stand_in, row)
        replan(stand_in, alert.state, policy, now)
        log.warning("notification.diverted", alert=alert.pk, channel=target.channel, reason=why, new=created)
    return told


def _take_over(stand_in: Notification, row: Notification) -> None:
    """It is over: who was never told of it counts as told what the other was, and so hears the end."""
    told = {
        "told_seq": row.told_seq,
        "told_severity": row.told_severity,
        "told_at": row.told_at,
        "told_resolved": row.told_resolved,
        "told_answer": row.told_answer,
    }
    # Also while its first message is under way: whoever sends that locks the alert to write what became of it.
    if row.told_seq and Notification.objects.filter(pk=stand_in.pk, told_seq=0).update(**told):
        for name, value in told.items():
            setattr(stand_in, name, value)
