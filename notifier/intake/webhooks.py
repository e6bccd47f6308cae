"""The source for `webhooks`: passes failures from its signals to the pipeline, and reads its tables.

Receivers here use no network: they store rows, and a worker sends the messages.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import Count, Max, Min, Q, Sum
from django.dispatch import receiver

from alerts_runtime.isolation.parts import on_its_own
from alerts_runtime.leasing import clock
from alerts_runtime.wakeups.wake import wake
from notifier.facts import EventCounts, Failure, Frame, Money
from notifier.flow import never_again, pipeline, rehearsals, replays
from notifier.flow.replays import Replayed
from notifier.intake.source import DJSTRIPE_KEYS
from notifier.intake.traffic import missing
from notifier.judge.match import canonical
from notifier.judge.watch import Seen
from notifier.models import Occurrence
from webhooks.events import StripeEvent
from webhooks.models import Failure as FailureRow
from webhooks.models import Refusal, WebhookEvent
from webhooks.process import arm, rehearsal
from webhooks.signals import webhook_post_process, webhook_processing_error

State = WebhookEvent.State
CHUNK = 500
REHEARSE_WITHIN = 5.0  # seconds, since a person waits for it
# An on_commit callback of an event may still be running for so long, and fail.
CALLBACKS = timedelta(minutes=1)
_DONE = (State.PROCESSED, State.INCOMPLETE)
_OURS = ~Q(key__startswith=DJSTRIPE_KEYS)  # an event may have come to dj-stripe too


@receiver(webhook_processing_error, dispatch_uid="notifier.failed")
def on_processing_error(
    sender: object, instance: WebhookEvent, event: StripeEvent, failure: FailureRow, **kwargs: Any
) -> None:
    """Raise an alert for a failed attempt. A failure that comes twice is counted once."""
    pipeline.failed(facts_of(instance, event, failure), clock.now())


@receiver(webhook_post_process, dispatch_uid="notifier.recovered")
def on_post_process(sender: object, instance: WebhookEvent, event: StripeEvent, **kwargs: Any) -> None:
    """Mark the failures of an event as recovered, once its processing is committed."""
    if instance.attempts > 1:
        how = "replay" if instance.earlier_attempts else "retry"
        transaction.on_commit(lambda: pipeline.recovered(event.id, how, clock.now(), of=_OURS), robust=True)


def facts_of(instance: WebhookEvent, event: StripeEvent, failure: FailureRow) -> Failure:
    """What is kept of a failure: fields from an allow-list; texts were redacted when the row was written."""
    has_money = event.amount is not None and bool(event.currency)
    return Failure(
        key=f"webhooks.failure:{failure.pk}",
        occurred_at=failure.occurred_at,
        exceptions=tuple(canonical(path) for path in (failure.exception, *failure.bases)),
        message=failure.message,
        event_id=event.id,
        event_type=event.type,
        endpoint=event.endpoint,
        account=event.account,
        livemode=event.livemode,
        attempt=failure.attempt,
        max_attempts=failure.max_attempts,
        will_retry=failure.will_retry,
        next_attempt_at=failure.next_attempt_at,
        gives_up_at=failure.gives_up_at,
        frame=Frame(failure.file, failure.line, failure.module, failure.function) if failure.file else None,
        kind=failure.kind,
        transient=failure.transient,
        peer=failure.peer,
        object_id=event.object_id,
        customer=event.customer,
        money=Money(event.amount, event.currency) if has_money and event.amount is not None else None,
        amount_unknown=event.amount_unknown,
        traceback=failure.traceback.text if failure.traceback else "",
        after_commit=failure.after_commit,
        not_run=tuple(failure.callbacks.splitlines()),
    )


def reconcile(after: int, now: datetime) -> int:
    """Implements Source.reconcile: a worker may have died between the commit of an event and its recovery."""
    waiting = Occurrence.objects.filter(_OURS, recovered_at__isnull=True, pk__gt=after).exclude(event_id="")
    chunk = list(waiting.order_by("pk").values_list("pk", "event_id")[:CHUNK])
    ended = WebhookEvent.objects.filter(event_id__in={event for _, event in chunk}, state__in=_DONE)
    for row in ended.only("event_id", "earlier_attempts", "state", "processed_at"):
        complete = row.state == State.PROCESSED and (row.processed_at is None or row.processed_at < now - CALLBACKS)
        how = "replay" if row.earlier_attempts else "retry"
        recover = partial(pipeline.recovered, row.event_id, how, now, after_commit=complete, of=_OURS)
        on_its_own("write the recovery of event", recover, key=row.event_id)
    return chunk[-1][0] if len(chunk) == CHUNK else 0


def event_counts(start: datetime, end: datetime) -> EventCounts:
    """Implements Source.event_counts."""
    received = WebhookEvent.objects.filter(received_at__gte=start, received_at__lt=end).exclude(state=State.IGNORED)
    row = received.aggregate(
        received=Count("pk"),
        first_time=Count("pk", filter=Q(state__in=_DONE, how_processed="first")),
        recovered=Count("pk", filter=Q(state__in=_DONE) & ~Q(how_processed="first")),
        dead=Count("pk", filter=Q(state=State.DEAD)),
        open=Count("pk", filter=Q(state__in=[State.PENDING, State.PROCESSING])),
    )
    return EventCounts(**row)


def seen(window: timedelta, expected: Iterable[str], now: datetime) -> Seen:
    """Implements Source.seen."""
    since = now - window
    refused = Refusal.objects.filter(minute__gte=since).values("endpoint", "reason").annotate(n=Sum("count"))
    stored = WebhookEvent.objects.filter(received_at__gte=since).values("endpoint").annotate(n=Count("pk"))
    last = {
        name: WebhookEvent.objects.filter(type=name, livemode=True).aggregate(at=Max("received_at"))["at"]
        for name in expected
    }
    counted = {(row["endpoint"], row["reason"]): row["n"] for row in refused}
    valid = {row["endpoint"]: row["n"] for row in stored}
    silent = {endpoint for endpoint, _ in counted} - set(valid)
    events = {name: WebhookEvent.objects.filter(endpoint=name) for name in silent}
    waiting = WebhookEvent.objects.filter(state=State.PENDING, due_at__lte=now).aggregate(
        oldest=Min("due_at"), number=Count("pk")
    )
    return Seen(
        refused=counted,
        stored=valid,
        missing={name: found for name, rows in events.items() if (found := missing(rows, "received_at", now))},
        last_of_type=last,
        first_ever=WebhookEvent.objects.aggregate(at=Min("received_at"))["at"],
        oldest_waiting=waiting["oldest"],
        waiting=waiting["number"],
    )


def replay(event_ids: Sequence[str], now: datetime) -> Replayed:
    """Implements Source.replay. A waiting event is made due now; one that was given up or is incomplete starts anew."""
    found = Replayed()
    for start in range(0, len(event_ids), CHUNK):
        chunk = event_ids[start : start + CHUNK]
        for row in WebhookEvent.objects.filter(event_id__in=chunk).defer("body").order_by("pk"):
            if arm.rearm(row, now):
                found += Replayed(again=1)
            else:
                found += Replayed(hurried=1) if arm.hurry(row, now) else Replayed(left=1)
    if found.again or found.hurried:
        wake("events")
    return found


def rehearse(event_ids: Sequence[str]) -> str:
    """What a replay of these events would do with the code as it is now. Stops after REHEARSE_WITHIN."""
    return rehearsal.rehearse(event_ids, seconds=REHEARSE_WITHIN).sentence


never_again.register(never_again.Source(arm.drop, arm.pick_up))
rehearsals.register(rehearse)
replays.register(replay)
