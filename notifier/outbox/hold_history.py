"""The only writer of Hold: what held messages, for the time line of their alert. Nothing is decided by it."""

from __future__ import annotations

from datetime import datetime

from notifier.models import Hold, Notification


def begin(row: Notification, by: str, now: datetime) -> None:
    """Before the row itself says so: what it says already has begun before."""
    if row.held_by != by[:100]:
        Hold.objects.create(notification=row, by=by[:100], since=now)


def end(row: Notification, now: datetime) -> None:
    """It is held no more, and not since a message went or something else holds it."""
    if row.held_by:
        Hold.objects.filter(notification=row, ended_at__isnull=True).update(ended_at=now)
