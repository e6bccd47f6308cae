"""What the notifier reads of `webhooks`' tables: recoveries that were missed, and the numbers of the inbound side."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial

from django.db.models import Count, Max, Min, Q, Sum
from django.utils.module_loading import import_string

from alerts_runtime.isolation.parts import on_its_own
from alerts_runtime.wakeups.wake import wake
from notifier.facts import EventCounts, Failure, Money
from notifier.flow import pipeline
from notifier.flow.replays import Replayed
from notifier.judge.match import canonical
from notifier.judge.watch import Missing, Seen
from notifier.models import Occurrence
from webhooks.events import parse
from webhooks.models import Refusal, WebhookEvent
from webhooks.process import inbox

State = WebhookEvent.State
CHUNK = 500
# For so long a callback of an event's commit may still be at work, and fail.
CALLBACKS = timedelta(minutes=1)
_DONE = (State.PROCESSED, State.INCOMPLETE)
BASELINE = timedelta(days=30)  # further back an endpoint is not looked at


def reconcile(after: int, now: datetime) -> int:
    """Find recoveries that were missed: a worker died between an event's commit and its alert.

    Looks at some unrecovered occurrences after the one with id `after`; the id to go on from next time, 0 at the end.
    """
    waiting = Occurrence.objects.filter(recovered_at__isnull=True, pk__gt=after).exclude(event_id="")
    chunk = list(waiting.order_by("pk").values_list("pk", "event_id")[:CHUNK])
    ended = WebhookEvent.objects.filter(event_id__in={event for _, event in chunk}, state__in=_DONE)
    for row in ended.only("event_id", "earlier_attempts", "state", "processed_at"):
        complete = row.state == State.PROCESSED and (row.processed_at is None or row.processed_at < now - CALLBACKS)
        how = "replay" if row.earlier_attempts else "retry"
        recover = partial(pipeline.recovered, row.event_id, how, now, after_commit=complete)
        on_its_own("write the recovery of event", recover, key=row.event_id)
    return chunk[-1][0] if len(chunk) == CHUNK else 0


def replay(event_ids: Sequence[str], now: datetime) -> Replayed:
    """Process events again: at once what waits for its next attempt, anew what was given up or is incomplete."""
    found = Replayed()
    for start in range(0, len(event_ids), CHUNK):
        chunk = event_ids[start : start + CHUNK]
        for row in WebhookEvent.objects.filter(event_id__in=chunk).defer("body").order_by("pk"):
            if inbox.rearm(row, now):
                found += Replayed(again=1)
            else:
                found += Replayed(hurried=1) if inbox.hurry(row, now) else Replayed(left=1)
    if found.again or found.hurried:
        wake("events")
    return found


def event_counts(start: datetime, end: datetime) -> EventCounts:
    """What became of the events received in a time."""
    received = WebhookEvent.objects.filter(received_at__gte=start, received_at__lt=end).exclude(state=State.IGNORED)
    row = received.aggregate(
        received=Count("pk"),
        first_time=Count("pk", filter=Q(state__in=_DONE, how_processed="first")),
        recovered=Count("pk", filter=Q(state__in=_DONE) & ~Q(how_processed="first")),
        dead=Count("pk", filter=Q(state=State.DEAD)),
        open=Count("pk", filter=Q(state__in=[State.PENDING, State.PROCESSING])),
    )
    return EventCounts(**row)


def failure_like(
    event: bytes | str,
    exception: str,
    *,
    message: str,
    attempt: int,
    will_retry: bool,
    livemode: bool | None,
    now: datetime,
) -> Failure:
    """A failure as it would be, for a dry run. `event` is JSON, or only a type. Raises ValueError for bad JSON."""
    if isinstance(event, str):
        event = json.dumps(
            {
                "id": "evt_dryrun",
                "object": "event",
                "type": event,
                "created": int(now.timestamp()),
                "livemode": bool(livemode),
                "data": {"object": {}},
            }
        ).encode()
    found = parse(event, "default")
    has_money = found.amount is not None and bool(found.currency)
    return Failure(
        key=f"dryrun:{secrets.token_hex(8)}",
        occurred_at=now,
        exceptions=bases_of(exception),
        message=message,
        event_id=found.id,
        event_type=found.type,
        endpoint=found.endpoint,
        account=found.account,
        livemode=found.livemode if livemode is None else livemode,
        attempt=attempt,
        will_retry=will_retry,
        object_id=found.object_id,
        customer=found.customer,
        money=Money(found.amount, found.currency) if has_money and found.amount is not None else None,
        amount_unknown=found.amount_unknown,
    )


def bases_of(path: str) -> tuple[str, ...]:
    """An exception's class and bases as paths; only the path itself when it cannot be imported here."""
    try:
        found = import_string(path if "." in path else f"builtins.{path}")
    except ImportError:
        return (canonical(path),)
    if not (isinstance(found, type) and issubclass(found, BaseException)):
        raise ValueError(f"{path} is not an exception class")
    return tuple(canonical(f"{base.__module__}.{base.__qualname__}") for base in found.__mro__[:-2])


def seen(window: timedelta, expected: Iterable[str], now: datetime) -> Seen:
    """What came in lately, for the watch over silent failures."""
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
    waiting = WebhookEvent.objects.filter(state=State.PENDING, due_at__lte=now).aggregate(
        oldest=Min("due_at"), number=Count("pk")
    )
    return Seen(
        refused=counted,
        stored=valid,
        missing={endpoint: found for endpoint in silent if (found := _missing(endpoint, now))},
        last_of_type=last,
        first_ever=WebhookEvent.objects.aggregate(at=Min("received_at"))["at"],
        oldest_waiting=waiting["oldest"],
        waiting=waiting["number"],
    )


def _missing(endpoint: str, now: datetime) -> Missing | None:
    """How many events an endpoint should have had since its last one; None: it had none in the baseline.

    A silence of less than a day is compared with the same hours of the seven days before, a longer one with as many
    whole days; on a site that is younger than that, with all the time that it had events.
    """
    events = WebhookEvent.objects.filter(endpoint=endpoint, received_at__gte=now - BASELINE, received_at__lte=now)
    ends = events.aggregate(first=Min("received_at"), last=Max("received_at"), number=Count("pk"))
    first, last = ends["first"], ends["last"]
    if last is None:
        return None
    step = timedelta(days=(now - last).days + 1)
    spans = [(last - step * back, now - step * back) for back in range(1, 8)]
    if known := [(start, end) for start, end in spans if start >= first]:
        found = sum(events.filter(received_at__gte=start, received_at__lt=end).count() for start, end in known)
        return Missing(last, found / len(known))
    return Missing(last, ends["number"] * (now - last) / max(last - first, timedelta(hours=1)))
