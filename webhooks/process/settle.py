"""Writes the outcome of an attempt: processed, failed, or failed after its commit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import IntegrityError, connection, transaction

from alerts_runtime.database.fast_sql import prepared
from alerts_runtime.database.serialization import until_serialized
from webhooks.models import Failure, WebhookEvent
from webhooks.process import failures, retry, statements
from webhooks.process.attempt import Attempt
from webhooks.process.errors import ErrorFacts

State, How = WebhookEvent.State, WebhookEvent.How


def finish(attempt: Attempt, now: datetime) -> bool:
    """Mark the event processed, within the handlers' transaction. False: another worker has it by now."""
    row = attempt.row
    how = How.FIRST if row.attempt == 1 else How.RETRY
    if row.earlier_attempts:
        how = How.REPLAY
    done = {"state": State.PROCESSED, "due_at": None, "processed_at": now, "how_processed": how, "last_error": ""}
    return _write(attempt, {**done, "handlers": attempt.ran.lines(committed=True)})


def fail(attempt: Attempt, facts: ErrorFacts, plan: retry.Plan, now: datetime) -> Failure | None:
    """Write the failure and the next attempt in one transaction. None, and nothing written: another worker has it."""
    try:
        return until_serialized(lambda: _fail(attempt, facts, plan, now))
    except IntegrityError:
        # This process had stored that traceback before, and it was deleted since.
        failures.forget_tracebacks()
        return _fail(attempt, facts, plan, now)


def _fail(attempt: Attempt, facts: ErrorFacts, plan: retry.Plan, now: datetime) -> Failure | None:
    outcome = {
        "state": State.PENDING if plan.will_retry else State.DEAD,
        "due_at": plan.due_at,
        "processed_at": None,  # `finish` has set it in attempt.row, when the commit itself failed
        "how_processed": "",
        "last_error": f"{facts.exception}: {facts.message}"[:255],
    }
    with transaction.atomic():
        if not _write(attempt, outcome):
            return None
        return failures.record(attempt.row, facts, plan, now, handlers=attempt.ran.lines(committed=False))


def note(row: WebhookEvent, facts: ErrorFacts, callbacks: Sequence[str], now: datetime) -> Failure:
    """Write a failure after the commit, that of a callback of transaction.on_commit: the event becomes incomplete."""
    try:
        return _note(row, facts, callbacks, now)
    except IntegrityError:
        failures.forget_tracebacks()  # as in `fail`
        return _note(row, facts, callbacks, now)


def _note(row: WebhookEvent, facts: ErrorFacts, callbacks: Sequence[str], now: datetime) -> Failure:
    with transaction.atomic():
        last_error = f"{facts.exception}: {facts.message}"[:255]
        # Somebody may have armed the event again by now: then its state is left alone.
        processed = WebhookEvent.objects.filter(pk=row.pk, state=State.PROCESSED)
        processed.update(state=State.INCOMPLETE, last_error=last_error)
        failure = failures.record(row, facts, retry.Plan(), now, handlers=row.handlers, callbacks=callbacks)
    row.state, row.last_error = State.INCOMPLETE, last_error
    return failure


def _write(attempt: Attempt, outcome: dict[str, Any]) -> bool:
    """Write the outcome and empty the token, in the row and in attempt.row. False: another worker has the event."""
    values = prepared(WebhookEvent, outcome)
    with connection.cursor() as cursor:
        cursor.execute(statements.settle(*values), {**values, "pk": attempt.row.pk, "token": attempt.token})
        if cursor.rowcount != 1:
            return False
    for name, value in {**outcome, "token": ""}.items():
        setattr(attempt.row, name, value)
    return True
