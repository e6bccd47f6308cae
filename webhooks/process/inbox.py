"""The only writer of WebhookEvent. `due_at` is its only scheduler: see the model.

Whoever claims an event gets a token; every later write asks for it, so a worker that lost its lease writes nothing.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.db.models import F, Q, QuerySet

from alerts_runtime.database import retention
from alerts_runtime.database.fast_sql import prepared, select
from alerts_runtime.isolation.parts import on_its_own
from alerts_runtime.leasing.clock import brought_forward
from webhooks.conf import config
from webhooks.exceptions import WorkerLost
from webhooks.models import Failure, WebhookEvent
from webhooks.process import failures, retry, statements
from webhooks.process.errors import ErrorFacts, class_path, describe
from webhooks.process.leases import grace, overdue

PENDING, PROCESSING = WebhookEvent.State.PENDING, WebhookEvent.State.PROCESSING
PROCESSED, DEAD, IGNORED = WebhookEvent.State.PROCESSED, WebhookEvent.State.DEAD, WebhookEvent.State.IGNORED
INCOMPLETE = WebhookEvent.State.INCOMPLETE
_BATCH = 500


@dataclass(frozen=True, slots=True)
class Claimed:
    """One event that is ours until the lease ends. `row.attempts` counts this attempt already."""

    row: WebhookEvent
    token: str
    more: bool = False  # others are due as well


# --- Working ------------------------------------------------------------------------------------------------------


def claim(now: datetime) -> Claimed | None:
    """The event that has been due longest, or None."""
    at = connection.ops.adapt_datetimefield_value
    token = secrets.token_hex(16)
    if _races() and not is_any_due(now):
        return None  # to claim nothing would still take SQLite's one write lock
    values = {"token": token, "now": at(now), "until": at(now + config().lease)}
    rows = select([WebhookEvent], statements.claim(), values)
    return next((Claimed(row, token, bool(more)) for row, more in rows), None)


def is_any_due(now: datetime) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(statements.is_any_due(), {"now": connection.ops.adapt_datetimefield_value(now)})
        return cursor.fetchone() is not None


def claim_inline(pk: int, now: datetime) -> Claimed | None:
    """This event, due or not, unless somebody has it or it is done."""
    row = WebhookEvent.objects.filter(pk=pk, state=PENDING).first()
    return _take(row, config().inline_lease, now) if row else None


def confirm(claimed: Claimed) -> bool:
    """Inside the handlers' transaction: lock the row, so that the lease cannot be taken away while they run.

    PostgreSQL ends a transaction whose handler hangs, which frees the row and lets its lease run out.
    https://www.postgresql.org/docs/current/runtime-config-client.html
    """
    limit = int(config().handler_timeout.total_seconds() * 1000)
    with connection.cursor() as cursor:
        cursor.execute(statements.confirm(), {"pk": claimed.row.pk, "token": claimed.token, "limit": limit})
        return bool(cursor.fetchall())


def finish(claimed: Claimed, now: datetime) -> bool:
    row = claimed.row
    how = WebhookEvent.How.FIRST if row.attempt == 1 else WebhookEvent.How.RETRY
    if row.earlier_attempts:
        how = WebhookEvent.How.REPLAY
    done = {"state": PROCESSED, "due_at": None, "processed_at": now, "how_processed": how, "last_error": ""}
    return _write(claimed, done)


def fail(claimed: Claimed, facts: ErrorFacts, plan: retry.Plan, now: datetime) -> Failure | None:
    """The failure and what happens next, in one transaction; None: the lease was lost, and nothing is written."""
    try:
        return _fail(claimed, facts, plan, now)
    except IntegrityError:
        # A traceback that this process knew to be stored has been pruned.
        failures.forget_tracebacks()
        return _fail(claimed, facts, plan, now)


def _fail(claimed: Claimed, facts: ErrorFacts, plan: retry.Plan, now: datetime) -> Failure | None:
    outcome = {
        "state": PENDING if plan.will_retry else DEAD,
        "due_at": plan.due_at,
        "processed_at": None,  # in the value, `finish` has set it when the commit itself failed
        "how_processed": "",
        "last_error": f"{facts.exception}: {facts.message}"[:255],
    }
    with transaction.atomic():
        return failures.record(claimed.row, facts, plan, now) if _write(claimed, outcome) else None


def note(row: WebhookEvent, facts: ErrorFacts, callbacks: Sequence[str], now: datetime) -> Failure:
    """A failure after the commit (a callback of transaction.on_commit): what the event did stays, and is incomplete."""
    try:
        return _note(row, facts, callbacks, now)
    except IntegrityError:
        failures.forget_tracebacks()  # as in `fail`
        return _note(row, facts, callbacks, now)


def _note(row: WebhookEvent, facts: ErrorFacts, callbacks: Sequence[str], now: datetime) -> Failure:
    with transaction.atomic():
        last_error = f"{facts.exception}: {facts.message}"[:255]
        # Unless somebody has armed it again by now.
        processed = WebhookEvent.objects.filter(pk=row.pk, state=PROCESSED)
        processed.update(state=INCOMPLETE, last_error=last_error)
        failure = failures.record(row, facts, retry.Plan(), now, callbacks=callbacks)
    row.state, row.last_error = INCOMPLETE, last_error
    return failure


def hand_back(tokens: list[str], now: datetime) -> int:
    """Give these leases up at once, for a worker that has to stop in the middle: the attempt does not count."""
    with _free_rows(tokens) as rows:
        return rows.update(state=PENDING, due_at=now, token="", attempts=F("attempts") - 1)


def renew(tokens: list[str], now: datetime) -> int:
    """Extend these leases. A row that its own handlers' transaction has locked needs no renewal, so it is skipped."""
    with _free_rows(tokens) as rows:
        return rows.update(due_at=now + config().lease)


def expire(now: datetime) -> Iterator[tuple[WebhookEvent, Failure]]:
    """End the leases that ran out: each is a failure of class WorkerLost, by the same path as any other."""
    far = now + 2 * config().longest_lease + timedelta(seconds=60)  # no lease is that long: the clock stepped back
    processing = WebhookEvent.objects.filter(state=PROCESSING, due_at__isnull=False)
    rows = list(processing.filter(Q(due_at__lt=now) | Q(due_at__gt=far)).order_by("due_at")[:_BATCH])
    ages = overdue.ages([(row.token, row.due_at) for row in rows])
    for row in rows:
        if ages[row.token, row.due_at] < grace(config().lease):
            continue
        if failure := on_its_own("end the lease of event", partial(_lose, row, now), key=row.event_id):
            yield row, failure


def expire_inline(pk: int, now: datetime) -> Iterator[tuple[WebhookEvent, Failure]]:
    """The same for one event that Stripe delivers again, on a site that runs no worker."""
    ended = now - config().lease  # by a wide margin: this process has not watched the lease run out
    row = WebhookEvent.objects.filter(pk=pk, state=PROCESSING, due_at__lt=ended).first()
    if row and (failure := _lose(row, now)):
        yield row, failure


def _lose(row: WebhookEvent, now: datetime) -> Failure | None:
    error = WorkerLost("The worker stopped without a word while it processed this event.")
    with transaction.atomic():
        still = WebhookEvent.objects.filter(pk=row.pk, token=row.token, due_at=row.due_at)
        # Locked: its handlers are alive, only their tick is not.
        if still.select_for_update(skip_locked=True).first() is None:
            return None
        return fail(Claimed(row, row.token), describe(error), _plan_lost(row, error, now), now)


def _plan_lost(row: WebhookEvent, error: WorkerLost, now: datetime) -> retry.Plan:
    """Counts the workers that it killed, not its attempts: an outage before that says nothing against the event."""
    before = row.failures.filter(exception=class_path(WorkerLost), occurred_at__gte=row.armed_at).count()
    plan = retry.plan(error, attempt=before + 1, now=now, limits=config().retry)
    if plan.will_retry and config().is_inline(row.endpoint):
        return retry.plan_inline(last_try_at=row.armed_at + retry.INLINE_PATIENCE, now=now)
    return replace(plan, max_attempts=(plan.max_attempts or 0) + row.attempt - before - 1)


def _take(row: WebhookEvent, lease: timedelta, now: datetime) -> Claimed | None:
    token = secrets.token_hex(16)
    unchanged = WebhookEvent.objects.filter(pk=row.pk, state=PENDING, due_at=row.due_at)
    claimed = {"state": PROCESSING, "token": token, "due_at": now + lease, "attempts": row.attempts + 1}
    if not unchanged.update(**claimed):
        return None
    for name, value in claimed.items():
        setattr(row, name, value)
    return Claimed(row, token)


def _write(claimed: Claimed, outcome: dict[str, Any]) -> bool:
    """Set the outcome and give the token up, in the row and in the value that receivers see."""
    values = prepared(WebhookEvent, outcome)
    with connection.cursor() as cursor:
        cursor.execute(statements.settle(*values), {**values, "pk": claimed.row.pk, "token": claimed.token})
        if cursor.rowcount != 1:
            return False
    for name, value in {**outcome, "token": ""}.items():
        setattr(claimed.row, name, value)
    return True


@contextmanager
def _free_rows(tokens: list[str]) -> Iterator[QuerySet[WebhookEvent]]:
    """The rows under these tokens, without those whose handlers' transaction holds them locked."""
    rows = WebhookEvent.objects.filter(state=PROCESSING, due_at__isnull=False, token__in=tokens)
    with _row_locks():
        yield rows.filter(pk__in=[row.pk for row in rows.select_for_update(skip_locked=True).only("pk")])


def _races() -> bool:
    return not connection.features.has_select_for_update_skip_locked


def _row_locks() -> AbstractContextManager[Any]:
    """SQLite has no row locks, and a transaction there would take the one write lock just to look."""
    return nullcontext() if _races() else transaction.atomic()


# --- Afterwards ---------------------------------------------------------------------------------------------------


def bring_forward(by: timedelta, now: datetime) -> int:
    """The clock was stepped back by so much: what is planned comes as much earlier."""
    planned = WebhookEvent.objects.filter(state=PENDING, due_at__gt=now)
    return planned.update(due_at=brought_forward("due_at", by, now))


def rearm(row: WebhookEvent, now: datetime, *, include_processed: bool = False) -> bool:
    """Process a dead or incomplete event (or a processed one) again, with all its attempts; False: it is neither."""
    states = [DEAD, INCOMPLETE, PROCESSED] if include_processed else [DEAD, INCOMPLETE]
    again = WebhookEvent.objects.filter(pk=row.pk, state__in=states)
    return (
        again.update(
            state=PENDING,
            due_at=now,
            armed_at=now,
            earlier_attempts=F("attempts"),
            processed_at=None,
            how_processed="",
        )
        == 1
    )


def hurry(row: WebhookEvent, now: datetime) -> bool:
    """Make a planned retry due now; it counts as the attempt that it is. False: none is planned for later."""
    planned = WebhookEvent.objects.filter(pk=row.pk, state=PENDING, due_at__gt=now, attempts__gt=F("earlier_attempts"))
    return planned.update(due_at=now) == 1


def next_due() -> datetime | None:
    """When the next pending event is due, or has been since."""
    waiting = WebhookEvent.objects.filter(state=PENDING, due_at__isnull=False)
    return waiting.order_by("due_at").values_list("due_at", flat=True).first()


def prune(before: datetime, *, dead: bool = False) -> tuple[int, int]:
    """Delete a batch of the events received before then which are processed or ignored: how many, and their failures.

    With `dead` also those that were given up or are incomplete, which wait for a person.
    """
    states = [PROCESSED, IGNORED, DEAD, INCOMPLETE] if dead else [PROCESSED, IGNORED]
    old = WebhookEvent.objects.filter(state__in=states, received_at__lt=before)
    pks = list(old.order_by("received_at").values_list("pk", flat=True)[: retention.BATCH])
    deleted = old.filter(pk__in=pks).only("pk").delete()[1] if pks else {}  # without the bodies
    return deleted.get(WebhookEvent._meta.label, 0), deleted.get(Failure._meta.label, 0)
