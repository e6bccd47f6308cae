"""Diverts alerts to other targets, in place of one that cannot be reached or is no longer named."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db.models import Q

from alerts_runtime.redaction import masking
from alerts_runtime.redaction.loggers import get_logger
from notifier.facts import HeldBy, Reason, Recipient
from notifier.judge.guards import UNREACHED
from notifier.judge.policy import Policy
from notifier.models import Digest, Notification, Target
from notifier.outbox import hold_history, set_aside, targets
from notifier.outbox.holding import LONGEST_HOLD, LOOK_AGAIN
from notifier.outbox.plans import change, replan

log = get_logger(__name__)


def revive(target: Target, now: datetime) -> None:
    """Use a target again that could not be reached; what was diverted or failed meanwhile is judged again at once."""
    revived = set_aside.mended([target.pk])
    waiting = Notification.objects.filter(target__in=revived, due_at__isnull=False, sending__isnull=True)
    waiting.filter(Q(held_by=HeldBy.DIVERTED) | Q(tries__gt=0)).update(due_at=now)


def begin_anew(target: Target) -> None:
    """Forget the messages and tries at a target's old address: nothing there can be edited or looked for at the new
    one.
    """
    of_it = Notification.objects.filter(target=target, sending__isnull=True)
    of_it.exclude(thread="").update(thread="", listed=False)
    of_it.filter(tries__gt=0).update(tries=0, trying_since=None)
    Digest.objects.filter(target=target, sending__isnull=True, tries__gt=0, due_at__isnull=False).update(tries=0)


def divert(row: Notification, why: str, to: Iterable[Recipient], policy: Policy, now: datetime) -> int:
    """Let the targets `to` be told in place of the row's own; how many will be.

    While the alert is open the row is judged again later: its target may work again by then, or have a new day's
    budget.
    """
    told = _stand_in(row, why, to, policy, now)
    since = row.held_since if row.held_since and row.held_by == HeldBy.DIVERTED else now
    hold_history.begin(row, HeldBy.DIVERTED, why[:100], now)
    if not told and why == UNREACHED:
        # Nobody stands in: the caller tells the last resort, and the target is tried as often as before.
        change(row, held_by=HeldBy.DIVERTED, held_ref=why[:100], held_since=since)
        return 0
    over = row.alert.resolved_at is not None
    change(
        row,
        due_at=None if over else now + min(max(LOOK_AGAIN, now - since), LONGEST_HOLD),
        held_by="" if over else HeldBy.DIVERTED,
        held_ref="" if over else why[:100],
        held_since=None if over else since,
        last_error=f"{HeldBy.DIVERTED}: {why}"[:500],
        rejected=False,
        tries=0,
        trying_since=None,
    )
    return told


def leave(row: Notification, why: str, to: Iterable[Recipient], policy: Policy, now: datetime) -> int:
    """Stop telling a target that is no longer named; how many of `to` hear of the alert in its place."""
    told = _stand_in(row, why, to, policy, now)
    change(
        row,
        route="",
        due_at=None,
        held_by=HeldBy.ENDED,
        held_ref=why[:100],
        held_since=None,
        rejected=False,
        tries=0,
        trying_since=None,
    )
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
            continue  # it failed too: two channels that are each other's failover must not go in circles
        told += 1
        if not stand_in.route:
            change(stand_in, route=row.route)
        if row.level > max(row.told_level, stand_in.level):  # the page goes to the stand-in
            Notification.objects.filter(pk=stand_in.pk).update(level=row.level)
            stand_in.level = row.level
        if alert.resolved_at is not None:
            _take_over(stand_in, row)
        replan(stand_in, alert.state, policy, now)
        log.warning("notification.diverted", alert=alert.pk, channel=target.channel, reason=why, new=created)
    return told


def _take_over(stand_in: Notification, row: Notification) -> None:
    """Of a resolved alert: give the stand-in what the other was told, so that it is told of the end."""
    told = {
        "told_seq": row.told_seq,
        "told_severity": row.told_severity,
        "told_at": row.told_at,
        "told_resolved": row.told_resolved,
        "told_answer": row.told_answer,
    }
    # Safe even while its first message is under way: to store that outcome, the alert's lock is needed.
    if row.told_seq and Notification.objects.filter(pk=stand_in.pk, told_seq=0).update(**told):
        for name, value in told.items():
            setattr(stand_in, name, value)
