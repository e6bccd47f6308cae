"""The source for dj-stripe (2.11): passes failures from its signals to the pipeline, and reads its tables.

Nothing here raises: dj-stripe calls its receivers within the request and before it saves the row of the delivery. If
one raises, the others are not called, the row lacks the exception, and the response to Stripe is about the wrong one.
The API key and the request's headers come with the signal, and are not read.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.dispatch import Signal
from djstripe.models import WebhookEventTrigger
from djstripe.signals import webhook_post_process, webhook_processing_error

from alerts_runtime import background
from alerts_runtime.failures.reading import class_path
from alerts_runtime.isolation.parts import on_its_own
from alerts_runtime.leasing import clock
from alerts_runtime.monitoring import watchdog
from alerts_runtime.redaction.loggers import get_logger
from notifier.facts import EventCounts
from notifier.flow import pipeline, replays
from notifier.flow.replays import Replayed
from notifier.intake import djstripe_facts as facts
from notifier.intake import djstripe_replay
from notifier.intake import djstripe_rows as rows
from notifier.intake.source import DJSTRIPE_KEYS
from notifier.judge.watch import Seen
from notifier.models import Occurrence

log = get_logger(__name__)
_OURS = Q(key__startswith=DJSTRIPE_KEYS)
_CHUNK = 500
_FORGOTTEN = timedelta(days=1)  # a failure that is older and was never told is left alone


def on_processing_error(sender: object, instance: Any, exception: BaseException, **_: Any) -> None:
    """Raise an alert for a failed delivery.

    Not for one that dj-stripe could not validate, which anybody who knows the URL can cause: those are only counted,
    see `seen`.
    """
    if not instance.valid:
        return
    try:
        watchdog.look()  # what is stored here needs a worker: this looks whether one runs
        now = clock.now()
        pipeline.failed(facts.of(instance, exception, now), now)
    except Exception as error:  # noqa: BLE001 - whatever it is, it must not reach dj-stripe
        log.error("djstripe.failure_not_recorded", delivery=instance.pk, error=class_path(type(error)))


def on_post_process(sender: object, instance: Any, **_: Any) -> None:
    """Mark the failures of an event as recovered, once its processing is committed.

    No query runs within dj-stripe's transaction: on PostgreSQL one that fails would break it.
    """
    if event_id := facts.event_id_of(instance):
        transaction.on_commit(lambda: _recovered(event_id), robust=True)


def _recovered(event_id: str) -> None:
    try:
        watchdog.look()
        if _unrecovered().filter(event_id=event_id).exists():
            pipeline.recovered(event_id, "retry", clock.now(), of=_OURS)
    except Exception as error:  # noqa: BLE001 - as above; `reconcile` finds it
        log.error("djstripe.recovery_not_recorded", event_id=event_id, error=class_path(type(error)))


def _unrecovered() -> Any:
    return Occurrence.objects.filter(_OURS, recovered_at__isnull=True)


def reconcile(after: int, now: datetime) -> int:
    """Implements Source.reconcile: dj-stripe sends no signal for events processed again by its command or admin."""
    for row in rows.untold(now - _FORGOTTEN, now):
        on_its_own("tell of delivery", partial(_tell, row, now), key=row.pk)
    waiting = _unrecovered().filter(pk__gt=after).exclude(event_id="").order_by("pk")
    chunk = list(waiting.values_list("pk", "event_id")[:_CHUNK])
    failed_at = facts.last_failures({event_id for _, event_id in chunk})
    for event_id, how in rows.processed_since(failed_at).items():
        recover = partial(pipeline.recovered, event_id, how, now, of=_OURS)
        on_its_own("write the recovery of event", recover, key=event_id)
    return chunk[-1][0] if len(chunk) == _CHUNK else 0


def _tell(row: Any, now: datetime) -> None:
    failure = facts.of_row(row, now)
    if not Occurrence.objects.filter(key=failure.key).exists():
        log.warning("djstripe.failure_told_late", delivery=row.pk)
        pipeline.failed(failure, now)


def event_counts(start: datetime, end: datetime) -> EventCounts:
    """Implements Source.event_counts."""
    failed = Occurrence.objects.filter(key__startswith=DJSTRIPE_KEYS, occurred_at__gte=start, occurred_at__lt=end)
    return rows.event_counts(failed, start, end)


def seen(window: timedelta, expected: Iterable[str], now: datetime) -> Seen:
    """Implements Source.seen. No events wait in dj-stripe: it refuses what it cannot process at once."""
    return rows.seen(window, expected, now)


def replay(event_ids: Sequence[str], now: datetime) -> Replayed:
    """Implements Source.replay."""
    return djstripe_replay.order(event_ids, now)


def _connect(signal: Signal, receiver: Any, uid: str) -> None:
    """Connect before the site's receivers: if one of those raises, dj-stripe does not call those after it."""
    signal.connect(receiver, sender=WebhookEventTrigger, dispatch_uid=uid)
    with signal.lock:
        ours = next(entry for entry in signal.receivers if entry[0][0] == uid)
        signal.receivers.remove(ours)
        signal.receivers.insert(0, ours)
        signal.sender_receivers_cache.clear()


_connect(webhook_processing_error, on_processing_error, "notifier.djstripe.failed")
_connect(webhook_post_process, on_post_process, "notifier.djstripe.recovered")
replays.register(replay)
background.register(djstripe_replay.loops)
