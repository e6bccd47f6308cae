"""Takes over from workers that died: the event that each was at gets a failure of class WorkerLost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from functools import partial

from django.db import transaction
from django.db.models import F

from alerts_runtime.isolation.parts import on_its_own
from alerts_runtime.leasing import holders
from webhooks.conf import config
from webhooks.exceptions import WorkerLost
from webhooks.models import Failure, WebhookEvent
from webhooks.process import claim, retry, settle
from webhooks.process.attempt import Attempt
from webhooks.process.errors import class_path, describe

State = WebhookEvent.State
_BATCH = 500


def expire(now: datetime) -> Iterator[tuple[WebhookEvent, Failure]]:
    """Free the events of processes that died; yields those that were being processed, with their failures."""
    processing = WebhookEvent.objects.filter(state=State.PROCESSING, due_at__isnull=False)
    theirs = holders.abandoned(set(processing.values_list("token", flat=True)))
    for row in _running(processing.filter(token__in=theirs)[:_BATCH]) if theirs else ():
        if failure := on_its_own("end the lease of event", partial(_lose, row, now), key=row.event_id):
            yield row, failure


def expire_inline(pk: int, now: datetime) -> Iterator[tuple[WebhookEvent, Failure]]:
    """`expire` for one event that Stripe delivers again, on a site that runs no worker."""
    row = WebhookEvent.objects.filter(pk=pk, state=State.PROCESSING).first()
    if row and holders.abandoned([row.token]) and (failure := _lose(row, now)):
        yield row, failure


def _running(rows: Iterable[WebhookEvent]) -> list[WebhookEvent]:
    """Of events that were claimed together, the one that was being processed: the first in their order."""
    first: dict[str, WebhookEvent] = {}
    for row in sorted(rows, key=claim.turn):
        first.setdefault(row.token, row)
    return list(first.values())


def _lose(row: WebhookEvent, now: datetime) -> Failure | None:
    token = row.token
    error = WorkerLost("The worker stopped without a word while it processed this event.")
    with transaction.atomic():
        still = WebhookEvent.objects.filter(pk=row.pk, state=State.PROCESSING, token=token)
        # When it is locked its handlers are alive, although their process does not count.
        if still.select_for_update(skip_locked=True).first() is None:
            return None
        failure = settle.fail(Attempt(row, token), describe(error), _plan_lost(row, error, now), now)
        # The others of its claim had not begun: they go back without a failure.
        waited = WebhookEvent.objects.filter(state=State.PROCESSING, due_at__isnull=False, token=token)
        waited.update(state=State.PENDING, token="", attempts=F("attempts") - 1)
        return failure


def _plan_lost(row: WebhookEvent, error: WorkerLost, now: datetime) -> retry.Plan:
    """By the number of workers that died at this event, not by its attempts, which may have failed for an outage."""
    before = row.failures.filter(exception=class_path(WorkerLost), occurred_at__gte=row.armed_at).count()
    plan = retry.plan(error, attempt=before + 1, now=now, limits=config().retry)
    if plan.will_retry and config().is_inline(row.endpoint):
        return retry.plan_inline(last_try_at=row.armed_at + retry.INLINE_PATIENCE, now=now)
    return replace(plan, max_attempts=(plan.max_attempts or 0) + row.attempt - before - 1)
