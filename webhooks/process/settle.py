"""What became of an attempt: processed, failed, or failed after its commit."""

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
    """In the handlers' transaction. False: the lease was lost."""
    row = attempt.row
    how = How.FIRST if row.attempt == 1 else How.RETRY
    if row.earlier_attempts:
        how = How.REPLAY
    done = {"state": State.PROCESSED, "due_at": None, "processed_at": now, "how_processed": how, "last_error": ""}
    return _write(attempt, done)


def fail(attempt: Attempt, facts: ErrorFacts, plan: retry.Plan, now: datetime) -> Failure | None:
    """The failure and what happens next, in one transaction; None: the lease was lost, and nothing is written."""
    try:
        return until_serialized(lambda: _fail(attempt, facts, plan, now))
    except IntegrityError:
        # A traceback that this process knew to be stored has been pruned.
        failures.forget_tracebacks()
        return _fail(attempt, facts, plan, now)


def _fail(attempt: Attempt, facts: ErrorFacts, plan: retry.Plan, now: datetime) -> Failure | None:
    outcome = {
        "state": State.PENDING if plan.will_retry else State.DEAD,
        "due_at": plan.due_at,
        "processed_at": None,  # in the value, `finish` has set it when the commit itself failed
        "how_processed": "",
        "last_error": f"{facts.exception}: {facts.message}"[:255],
    }
    with transaction.atomic():
        return failures.record(attempt.row, facts, plan, now) if _write(attempt, outcome) else None


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
        processed = WebhookEvent.objects.filter(pk=row.pk, state=State.PROCESSED)
        processed.update(state=State.INCOMPLETE, last_error=last_error)
        failure = failures.record(row, facts, retry.Plan(), now, callbacks=callbacks)
    row.state, row.last_error = State.INCOMPLETE, last_error
    return failure


def _write(attempt: Attempt, outcome: dict[str, Any]) -> bool:
    """Set the outcome and give the token up, in the row and in the value that receivers see."""
    values = prepared(WebhookEvent, outcome)
    with connection.cursor() as cursor:
        cursor.execute(statements.settle(*values), {**values, "pk": attempt.row.pk, "token": attempt.token})
        if cursor.rowcount != 1:
            return False
    for name, value in {**outcome, "token": ""}.items():
        setattr(attempt.row, name, value)
    return True
