"""What waits for somebody who is no longer in the plan goes to who took their place; they hear nothing more.

Who was told of an alert while they were on call stays a recipient of it: they hear how it goes on, and that it is over.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db import transaction
from django.db.models import Q

from alerts_runtime.redaction.loggers import get_logger
from alerts_runtime.wakeups.wake import wake
from notifier.facts import Recipient
from notifier.judge.policy import Policy
from notifier.judge.route import targets_of, try_routes
from notifier.models import Digest, Notification, Target
from notifier.outbox import digests, holding, last_resort, plans, stand_ins, targets

log = get_logger(__name__)

LEFT = "no longer a recipient"
NOT_ON_CALL = "no longer on call"
AT_ONCE = 200


def hand_over(policy: Policy, now: datetime) -> int:
    """Look for what is open or due for recipients that NOTIFIER does not name any more; how many rows there were."""
    present = [target.key for channel in policy.channels.values() for target in channel.targets]
    people = [key for channel in policy.channels.values() for key in channel.people]
    told = Q(told_seq__gt=0, target__key__in=people)
    open_or_due = Q(alert__resolved_at__isnull=True) | Q(due_at__isnull=False)
    left = Notification.objects.filter(open_or_due, sending__isnull=True).exclude(route="")
    gone = left.exclude(Q(target__key__in=present) | told)
    pks = list(gone.order_by("urgency", "pk").values_list("pk", flat=True)[:AT_ONCE])
    for pk in pks:
        try:
            hand_over_row(pk, policy, now)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this row's trouble and no other's
            holding.trouble(pk, error, now)
    for digest in Digest.objects.filter(due_at__isnull=False).exclude(target__key__in=[*present, *people])[:AT_ONCE]:
        digests.skip_digest(digest, LEFT)
    if pks:
        log.warning("notification.readdressed", count=len(pks))
    return len(pks)


def is_present(row: Notification, policy: Policy) -> bool:
    channel = policy.channels.get(row.target.channel)
    if channel is None:
        return False
    told = row.told_seq > 0 and row.target.key in channel.people
    return told or any(target.key == row.target.key for target in channel.targets)


def is_off_duty(row: Notification, policy: Policy) -> bool:
    """Whether it is a recipient only since it was told while on call: it hears news, and pages go to who is now."""
    channel = policy.channels.get(row.target.channel)
    return channel is not None and all(target.key != row.target.key for target in channel.targets)


def is_moved(target: Target, policy: Policy, now: datetime) -> bool:
    """Whether a person's address is another than it was when they were last sent something; then it is written down."""
    channel = policy.channels.get(target.channel)
    known = channel.people.get(target.key) if channel else None
    if known is None or known.address == target.address:
        return False
    targets.move(target, known.address)
    stand_ins.revive(target, now)  # what could not be delivered to the old one can be to the new one
    stand_ins.begin_anew(target)
    return True


def hand_over_row(pk: int, policy: Policy, now: datetime) -> None:
    """The same for one: the channel's present recipients hear of it, else its failover's, else whom a route names."""
    with transaction.atomic():
        row = plans.locked(pk)
        if row is None or row.sending_id is not None or not row.route or is_present(row, policy):
            return
        channel = policy.channels.get(row.target.channel)
        why = NOT_ON_CALL if channel is not None and row.target.key in channel.people else LEFT
        told = stand_ins.leave(row, why, _successors(row, policy), policy, now)
        untold = row.alert.resolved_at is not None and row.told_seq == 0
    if not told and not untold:
        last_resort.not_delivered(row.alert, f"{row.target.channel}: {why}")
    for alias in policy.channels:
        wake(f"deliver-{alias}")


def _successors(row: Notification, policy: Policy) -> Iterable[Recipient]:
    channel = policy.channels.get(row.target.channel)
    if channel is not None and channel.targets:
        return channel.targets
    if channel is not None and channel.failover:
        return policy.channels[channel.failover].targets
    tried = try_routes(row.alert.subject, policy.routes, last_attempt=True)
    return [one.target for one in targets_of(tried, policy.channels)]
