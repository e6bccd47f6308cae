"""When the settings or the rotation no longer name a recipient, their messages go to whoever took their place.

A person who was told of an alert while on call stays a recipient of that alert, and hears how it goes on and ends.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db import transaction
from django.db.models import Q

from alerts_runtime.redaction.loggers import get_logger
from alerts_runtime.wakeups.wake import wake
from notifier.facts import Recipient
from notifier.judge.policy import HANDOVER_TEST, Policy
from notifier.judge.route import targets_of, try_routes
from notifier.models import Digest, Notification, Target
from notifier.outbox import digests, holding, last_resort, plans, stand_ins, targets

log = get_logger(__name__)

LEFT = "no longer a recipient"
NOT_ON_CALL = "no longer on call"
AT_ONCE = 200


def hand_over(policy: Policy, now: datetime) -> int:
    """Pass on the open or due notifications of recipients that NOTIFIER no longer names; how many there were."""
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
    """Whether this person is a recipient only because they were on call when told: pages go to who is on call now."""
    channel = policy.channels.get(row.target.channel)
    return channel is not None and all(target.key != row.target.key for target in channel.targets)


def is_moved(target: Target, policy: Policy, now: datetime) -> bool:
    """Store a person's new address if it has changed since they were last sent something; whether it has."""
    channel = policy.channels.get(target.channel)
    known = channel.people.get(target.key) if channel else None
    if known is None or known.address == target.address:
        return False
    targets.move(target, known.address)
    stand_ins.revive(target, now)  # messages that failed at the old address may arrive at the new one
    stand_ins.begin_anew(target)
    return True


def hand_over_row(pk: int, policy: Policy, now: datetime) -> None:
    """Pass on one notification: to the recipients its channel has now, else to those of its failover or of a route."""
    with transaction.atomic():
        row = plans.locked(pk)
        if row is None or row.sending_id is not None or not row.route or is_present(row, policy):
            return
        channel = policy.channels.get(row.target.channel)
        why = NOT_ON_CALL if channel is not None and row.target.key in channel.people else LEFT
        # Of what is over, and of a test of somebody who has handed over since, nobody needs to hear.
        untold = row.told_seq == 0 and (row.alert.resolved_at is not None or row.route == HANDOVER_TEST)
        told = stand_ins.leave(row, why, _successors(row, policy), policy, now)
    if not told and not untold:
        last_resort.not_delivered(row.alert, f"{row.target.channel}: {why}")
    for alias in policy.channels:
        wake(f"deliver-{alias}")


def _successors(row: Notification, policy: Policy) -> Iterable[Recipient]:
    if row.route == HANDOVER_TEST:
        return ()
    channel = policy.channels.get(row.target.channel)
    if channel is not None and channel.targets:
        return channel.targets
    if channel is not None and channel.failover:
        return policy.channels[channel.failover].targets
    tried = try_routes(row.alert.subject, policy.routes, last_attempt=True)
    return [one.target for one in targets_of(tried, policy.channels)]
