"""What waits for somebody who is no longer in the plan goes to who took their place; they hear nothing more."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import structlog
from django.db import transaction
from django.db.models import Q

from alerts_runtime.wakeups.wake import wake
from notifier.alerts.store import state_of
from notifier.facts import Target as To
from notifier.judge.policy import Policy
from notifier.judge.route import targets_of, try_routes
from notifier.models import Digest, Notification
from notifier.outbox import attempts, last_resort, plans

log = structlog.get_logger(__name__)

LEFT = "no longer a recipient"
AT_ONCE = 200


def hand_over(policy: Policy, now: datetime) -> int:
    """Look for what is open or due for recipients that NOTIFIER does not name any more; how many rows there were."""
    present = [target.key for channel in policy.channels.values() for target in channel.targets]
    open_or_due = Q(alert__resolved_at__isnull=True) | Q(due_at__isnull=False)
    left = Notification.objects.filter(open_or_due, sending__isnull=True).exclude(route="")
    pks = list(left.exclude(target__key__in=present).order_by("urgency", "pk").values_list("pk", flat=True)[:AT_ONCE])
    for pk in pks:
        try:
            hand_over_row(pk, policy, now)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this row's trouble and no other's
            plans.trouble(pk, error, now)
    for digest in Digest.objects.filter(due_at__isnull=False).exclude(target__key__in=present)[:AT_ONCE]:
        attempts.skip_digest(digest, LEFT)
    if pks:
        log.warning(
            "recipients have changed: what waited for them goes to who took their place", notifications=len(pks)
        )
    return len(pks)


def is_present(row: Notification, policy: Policy) -> bool:
    channel = policy.channels.get(row.target.channel)
    return channel is not None and any(target.key == row.target.key for target in channel.targets)


def hand_over_row(pk: int, policy: Policy, now: datetime) -> None:
    """The same for one: the channel's present recipients hear of it, else its failover's, else whom a route names."""
    with transaction.atomic():
        row = plans.locked(pk)
        if row is None or row.sending_id is not None or not row.route or is_present(row, policy):
            return
        told = plans.leave(row, LEFT, _successors(row, policy), policy, now)
        untold = row.alert.resolved_at is not None and row.told_seq == 0
    if not told and not untold:
        last_resort.cry(row.alert, f"{row.target.channel}: {LEFT}")
    for alias in policy.channels:
        wake(f"deliver-{alias}")


def _successors(row: Notification, policy: Policy) -> Iterable[To]:
    channel = policy.channels.get(row.target.channel)
    if channel is not None and channel.targets:
        return channel.targets
    if channel is not None and channel.failover:
        return policy.channels[channel.failover].targets
    tried = try_routes(state_of(row.alert).subject, policy.routes, last_attempt=True)
    return [one.target for one in targets_of(tried, policy.channels)]
