"""Processes events of dj-stripe again, as it does itself. It has no queue, so the orders are rows of this app."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import F, Max, Q
from djstripe.models import Event, WebhookEventTrigger

from alerts_runtime.background import LONGEST_WAIT, Loop
from alerts_runtime.leasing import clock
from alerts_runtime.redaction.loggers import get_logger
from alerts_runtime.wakeups.wake import wake
from notifier.flow import pipeline
from notifier.flow.replays import Replayed
from notifier.intake import djstripe_facts as facts
from notifier.intake import djstripe_rows as rows
from notifier.intake.source import DJSTRIPE_KEYS
from notifier.models import Occurrence, ReplayOrder

log = get_logger(__name__)
TOPIC = "djstripe-replay"
_MOST_TRIES = 3  # of an event that kills its worker each time
_OURS = Q(key__startswith=DJSTRIPE_KEYS)


def loops() -> Iterator[Loop]:
    yield Loop(TOPIC, step)


def order(event_ids: Sequence[str], now: datetime) -> Replayed:
    """Store that these events are to be processed again; ids of other sources are left out."""
    known = set(Occurrence.objects.filter(_OURS, event_id__in=event_ids).values_list("event_id", flat=True))
    done = set(Event.objects.filter(id__in=known).values_list("id", flat=True))
    wanted = sorted(known - done)
    ReplayOrder.objects.bulk_create(
        [ReplayOrder(event_id=event_id, ordered_at=now) for event_id in wanted], ignore_conflicts=True
    )
    if wanted:
        wake(TOPIC)
    return Replayed(again=len(wanted), left=len(done))


def step() -> float:
    """Process one ordered event. The effects of its handlers and the end of the order are one commit."""
    wanted = ReplayOrder.objects.order_by("pk").first()
    if wanted is None:
        return LONGEST_WAIT
    # Counted before, so that an event which kills its worker is not tried for ever.
    if not ReplayOrder.objects.filter(pk=wanted.pk, tries=wanted.tries).update(tries=F("tries") + 1):
        return 0.0
    with transaction.atomic():
        # Deleted first: that locks the row until the commit, so that no other worker processes the event.
        if ReplayOrder.objects.filter(pk=wanted.pk).delete()[0]:
            _process(wanted, clock.now())
    return 0.0


def _process(wanted: ReplayOrder, now: datetime) -> None:
    row = _last_delivery(wanted.event_id)
    if row is None or wanted.tries >= _MOST_TRIES:
        log.error("djstripe.not_replayed", event_id=wanted.event_id, tries=wanted.tries)
        return
    try:
        with transaction.atomic():
            row.process(api_key=rows.api_key_of(row))
    except Exception as error:  # noqa: BLE001 - a handler's, whatever it is
        pipeline.failed(facts.of(row, error, now, replayed=True), now)
        return
    pipeline.recovered(wanted.event_id, "replay", now, of=_OURS)


def _last_delivery(event_id: str) -> Any:
    """The row of the event's last failed delivery."""
    known = Occurrence.objects.filter(_OURS, event_id=event_id)
    last = known.filter(pk=known.aggregate(last=Max("pk"))["last"]).first()
    return WebhookEventTrigger.objects.filter(pk=facts.row_of(last.key)).first() if last else None
