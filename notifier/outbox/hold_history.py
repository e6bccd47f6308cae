"""The only writer of Hold: what held messages, to show on the page of their alert. No decision depends on it."""

from __future__ import annotations

from datetime import datetime

from notifier.facts import HeldBy
from notifier.models import Hold, Notification


def begin(row: Notification, by: HeldBy, ref: str, now: datetime) -> None:
    """Note that `row` is held by something, unless it was so already. To be called before `row.held_by` is changed."""
    if (row.held_by, row.held_ref) != (by, ref):
        Hold.objects.create(notification=row, by=by, ref=ref, since=now)


def end(row: Notification, now: datetime) -> None:
    """Note that `row` is no longer held."""
    if row.held_by:
        Hold.objects.filter(notification=row, ended_at__isnull=True).update(ended_at=now)
