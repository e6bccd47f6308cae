"""Who comes to an alert that is under way: a step of its escalation pages them, they take over, or they answer."""

from __future__ import annotations

from datetime import datetime

from django.db.models import F
from django.db.models.functions import Least

from notifier.facts import Reason, Recipient
from notifier.judge.policy import Policy
from notifier.models import Alert, Notification
from notifier.outbox import targets
from notifier.outbox.holding import postpone
from notifier.outbox.plans import change, next_for, replan, unplanned


def page(alert: Alert, to: Recipient, route: str, level: int, policy: Policy, now: datetime) -> None:
    """A level of the route's escalation names this target: it hears of the alert now, told of it before or not.

    The caller holds the alert's lock.
    """
    row, created = Notification.objects.get_or_create(
        alert=alert,
        target=targets.row_of(to),
        defaults={"route": route, "reason": Reason.ESCALATED, "level": level},
    )
    # Also while something is being sent to it: whoever sends that tells this next. What it was told of another route's
    # steps, or before the alert opened again, says nothing of this one.
    row.level, row.told_level = level, min(row.told_level, level - 1)
    Notification.objects.filter(pk=row.pk).update(level=level, told_level=Least(F("told_level"), level - 1))
    if not created and not row.route:
        change(row, route=route)
    replan(row, alert.state, policy, now)


def needs_no_page(row: Notification, policy: Policy, now: datetime) -> None:
    """Others are paged for the level in its place. It is judged again for what else it is to hear."""
    change(row, level=row.told_level)
    postpone(row, next_for(row, row.alert.state, policy, now), now)


def join(alert: Alert, to: Recipient, route: str, policy: Policy, now: datetime) -> None:
    """Somebody comes to an alert that is under way: they hear how it goes on, as if told of all that has been so far.

    The caller holds the alert's lock.
    """
    told = {
        "told_seq": alert.count,
        "told_severity": alert.severity,
        "told_at": now,
        "told_answer": alert.last_answer,
    }
    row, created = Notification.objects.get_or_create(
        alert=alert, target=targets.row_of(to), defaults={"route": route, "reason": Reason.UPDATE, **told}
    )
    if not created:
        if row.route or row.sending_id is not None:
            return
        change(row, route=route, held_by="", **told)
    replan(row, alert.state, policy, now)
    unplanned([alert.pk])


def knows(alert: Alert, address: str) -> None:
    """Who answered from there has been told of it in return."""
    if address:
        there = Notification.objects.filter(alert=alert, target__address=address, sending__isnull=True)
        there.update(told_answer=alert.last_answer)
