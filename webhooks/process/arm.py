"""Has events processed again or sooner, and deletes old ones."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Case, F, Value, When

from alerts_runtime.database import retention
from alerts_runtime.leasing.clock import brought_forward
from webhooks.models import Failure, WebhookEvent

State = WebhookEvent.State


def rearm(row: WebhookEvent, now: datetime, *, include_processed: bool = False) -> bool:
    """Have a dead or incomplete event processed again, with all of its attempts; False when it is in another state.

    `include_processed`: a processed one too.
    """
    states = [State.DEAD, State.INCOMPLETE, *([State.PROCESSED] if include_processed else [])]
    again = WebhookEvent.objects.filter(pk=row.pk, state__in=states)
    return (
        again.update(
            state=State.PENDING,
            due_at=now,
            armed_at=now,
            earlier_attempts=F("attempts"),
            processed_at=None,
            how_processed="",
        )
        == 1
    )


def hurry(row: WebhookEvent, now: datetime) -> bool:
    """Make a planned retry due now; the count of attempts goes on. False when none is planned."""
    planned = WebhookEvent.objects.filter(
        pk=row.pk, state=State.PENDING, due_at__gt=now, attempts__gt=F("earlier_attempts")
    )
    return planned.update(due_at=now) == 1


def drop(event_id: str) -> bool:
    """Give an event up for good: nothing runs it again. False when it is processed or being processed."""
    waiting = WebhookEvent.objects.filter(event_id=event_id, state__in=[State.PENDING, State.DEAD, State.INCOMPLETE])
    return waiting.update(state=State.DROPPED, due_at=None) == 1


def pick_up(event_id: str) -> bool:
    """Undo `drop`: the event is dead or incomplete, as it was before. False when it was not dropped."""
    dropped = WebhookEvent.objects.filter(event_id=event_id, state=State.DROPPED)
    before = Case(When(processed_at__isnull=False, then=Value(State.INCOMPLETE)), default=Value(State.DEAD))
    return dropped.update(state=before) == 1


def bring_forward(by: timedelta, now: datetime) -> int:
    """Plan retries as much earlier as this machine's clock was set back; returns how many."""
    planned = WebhookEvent.objects.filter(state=State.PENDING, due_at__gt=now)
    return planned.update(due_at=brought_forward("due_at", by, now))


def prune(before: datetime, *, dead: bool = False) -> tuple[int, int]:
    """Delete a batch of events that were received before then; returns how many, and how many failures of theirs.

    Those that are processed, ignored or dropped; with `dead` also those that were given up or are incomplete.
    """
    states = [State.PROCESSED, State.IGNORED, State.DROPPED, *([State.DEAD, State.INCOMPLETE] if dead else [])]
    old = WebhookEvent.objects.filter(state__in=states, received_at__lt=before)
    pks = list(old.order_by("received_at").values_list("pk", flat=True)[: retention.BATCH])
    deleted = old.filter(pk__in=pks).only("pk").delete()[1] if pks else {}  # without the bodies
    return deleted.get(WebhookEvent._meta.label, 0), deleted.get(Failure._meta.label, 0)
