"""Adds recipients to an alert that others were told of: escalation pages them, they take over, or they answer."""

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
    """Page this target for a level of the route's escalation, whether it was told of the alert before or not.

    The caller holds the alert's lock.
    """
    row, created = Notification.objects.get_or_create(
        alert=alert,
        target=targets.row_of(to),
        defaults={"route": route, "reason": Reason.ESCALATED, "level": level},
    )
    # The level is set even while a message to it is under way: the page is then planned when that ends. `told_level` is
    # lowered, since it may be of another route's steps or of the time before the alert was reopened.
    row.level, row.told_level = level, min(row.told_level, level - 1)
    Notification.objects.filter(pk=row.pk).update(level=level, told_level=Least(F("told_level"), level - 1))
    if not created and not row.route:
        change(row, route=route)
    replan(row, alert.state, policy, now)


def needs_no_page(row: Notification, policy: Policy, now: datetime) -> None:
    """Cancel the page for this target, since another is paged in its place; it may still have other news to hear."""
    change(row, level=row.told_level)
    postpone(row, next_for(row, row.alert.state, policy, now), now)


def join(alert: Alert, to: Recipient, route: str, policy: Policy, now: datetime) -> None:
    """Add a recipient who hears how an alert goes on, as if they had been told of everything until now.

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
        change(row, route=route, held_by="", held_ref="", **told)
    replan(row, alert.state, policy, now)
    unplanned([alert.pk])


def knows(alert: Alert, address: str) -> None:
    """Note that the recipient at this address, who gave the last answer, need not be told of it."""
    if address:
        there = Notification.objects.filter(alert=alert, target__address=address, sending__isnull=True)
        there.update(told_answer=alert.last_answer)
