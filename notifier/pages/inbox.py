"""What the pages read of `webhooks`' tables: dj-stripe's users have none of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Min, Q

from webhooks.models import WebhookEvent

State = WebhookEvent.State


@dataclass(frozen=True, slots=True)
class Backlog:
    due: int  # events that should be worked on by now
    oldest: datetime | None
    later: int  # to be tried again


def backlog(now: datetime) -> Backlog:
    """By the index on what is due: what is done costs nothing."""
    waiting = WebhookEvent.objects.filter(state=State.PENDING, due_at__isnull=False)
    row = waiting.aggregate(
        due=Count("pk", filter=Q(due_at__lte=now)),
        oldest=Min("due_at", filter=Q(due_at__lte=now)),
        later=Count("pk", filter=Q(due_at__gt=now)),
    )
    return Backlog(**row)
