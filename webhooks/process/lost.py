"""Ends what workers held that died: each is a failure of class WorkerLost, by the same path as any other."""

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
    """End what processes held that are gone."""
    processing = WebhookEvent.objects.filter(state=State.PROCESSING, due_at__isnull=False)
    theirs = holders.abandoned(set(processing.values_list("token", flat=True)))
    for row in _running(processing.filter(token__in=theirs)[:_BATCH]) if theirs else ():
        if failure := on_its_own("end the lease of event", partial(_lose, row, now), key=row.event_id):
            yield row, failure


def expire_inline(pk: int, now: datetime) -> Iterator[tuple[WebhookEvent, Failure]]:
    """The same for one event that Stripe delivers again, on a site that runs no worker."""
    row = WebhookEvent.objects.filter(pk=pk, state=State.PROCESSING).first()
    if row and holders.abandoned([row.token]) and (failure := _lose(row, now)):
        yield row, failure


def _running(rows: Iterable[WebhookEvent]) -> list[WebhookEvent]:
    """Of what was claimed together the one whose turn it was."""
    first: dict[str, WebhookEvent] = {}
    for row in sorted(rows, key=claim.turn):
        first.setdefault(row.token, row)
    return list(first.values())


def _lose(row: WebhookEvent, now: datetime) -> Failure | None:
    token = row.token
    error = WorkerLost("The worker stopped without a word while it processed this event.")
    with transaction.atomic():
        still = WebhookEvent.objects.filter(pk=row.pk, state=State.PROCESSING, token=token)
        # Locked: its handlers are alive, only their counter is not.
        if still.select_for_update(skip_locked=True).first() is None:
            return None
        failure = settle.fail(Attempt(row, token), describe(error), _plan_lost(row, error, now), now)
        # What was claimed with it had not begun: that says nothing against it.
        waited = WebhookEvent.objects.filter(state=State.PROCESSING, due_at__isnull=False, token=token)
        waited.update(state=State.PENDING, token="", attempts=F("attempts") - 1)
        return failure


def _plan_lost(row: WebhookEvent, error: WorkerLost, now: datetime) -> retry.Plan:
    """Counts the workers that it killed, not its attempts: an outage before that says nothing against the event."""
    before = row.failures.filter(exception=class_path(WorkerLost), occurred_at__gte=row.armed_at).count()
    plan = retry.plan(error, attempt=before + 1, now=now, limits=config().retry)
    if plan.will_retry and config().is_inline(row.endpoint):
        return retry.plan_inline(last_try_at=row.armed_at + retry.INLINE_PATIENCE, now=now)
    return replace(plan, max_attempts=(plan.max_attempts or 0) + row.attempt - before - 1)
