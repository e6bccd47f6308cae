"""Claims events that are due for this process, and gives them back.

A claim is a transaction of its own: within the handlers' it would fail them whenever two workers claim at once, above
READ COMMITTED.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import F, QuerySet

from alerts_runtime.database.fast_sql import column, select
from alerts_runtime.database.serialization import until_serialized
from alerts_runtime.isolation import later
from alerts_runtime.leasing import holders
from webhooks.conf import config
from webhooks.models import WebhookEvent
from webhooks.process import statements
from webhooks.process.attempt import Attempt, in_progress

State = WebhookEvent.State


def claim(now: datetime, most: int = 1) -> list[Attempt]:
    """Claim at most `most` events that are due, those that have been due longest, in their order."""
    if _has_no_row_locks() and not is_any_due(now):
        return []  # a claim takes SQLite's one write lock, even when it finds nothing
    token = holders.token()
    values = {"token": token, "now": connection.ops.adapt_datetimefield_value(now), "most": most}
    connection.ensure_connection()
    try:
        rows = until_serialized(lambda: select([WebhookEvent], statements.claim(), values))
    except Exception:  # the claim may have been committed before the connection broke
        _free_later(WebhookEvent.objects.filter(state=State.PROCESSING, token=token), token)
        raise
    attempts = [Attempt(row, token) for (row,) in rows]
    return _in_progress(sorted(attempts, key=lambda one: turn(one.row)))


def turn(row: WebhookEvent) -> tuple[datetime | None, int]:
    """The sort key of events that were claimed together."""
    return row.due_at, row.pk


def is_any_due(now: datetime) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(statements.is_any_due(), {"now": connection.ops.adapt_datetimefield_value(now)})
        return cursor.fetchone() is not None


def claim_inline(pk: int) -> Attempt | None:
    """Claim this event, due or not; None when somebody has it, or it is done."""
    row = WebhookEvent.objects.filter(pk=pk, state=State.PENDING).first()
    if row is None:
        return None
    token = holders.token()
    unchanged = WebhookEvent.objects.filter(pk=row.pk, state=State.PENDING, attempts=row.attempts)
    claimed = {"state": State.PROCESSING, "token": token, "attempts": row.attempts + 1}
    if not until_serialized(lambda: unchanged.update(**claimed)):
        return None
    for name, value in claimed.items():
        setattr(row, name, value)
    return _in_progress([Attempt(row, token)])[0]


def _in_progress(attempts: list[Attempt]) -> list[Attempt]:
    in_progress.add(attempts)
    return attempts


def are_ours(attempts: Sequence[Attempt]) -> bool:
    """Whether this process still has any of these."""
    return _rows(attempts).exists()


def confirm(attempt: Attempt) -> bool:
    """Lock the row, within the handlers' transaction, so that nobody can take it while they run. False: it was taken.

    PostgreSQL is told to end that transaction after HANDLER_TIMEOUT, so that a handler that hangs frees the row.
    https://www.postgresql.org/docs/current/runtime-config-client.html
    """
    limit = int(config().handler_timeout.total_seconds() * 1000)
    with connection.cursor() as cursor:
        cursor.execute(statements.confirm(), {"pk": attempt.row.pk, "token": attempt.token, "limit": limit})
        return bool(cursor.fetchall())


def hand_back(attempts: Sequence[Attempt]) -> int:
    """Let others have these at once; returns how many. The attempt is not counted.

    Those whose rows are locked by the transaction of their handlers are left out.
    """
    return until_serialized(lambda: _free(_rows(attempts)))


def give_back(attempts: Sequence[Attempt]) -> None:
    """`hand_back` now, or as soon as the database takes it: while this process lives nobody else would free them."""
    try:
        hand_back(attempts)
    except Exception:  # noqa: BLE001 - whatever the database says, it is tried again
        _free_later(_rows(attempts), attempts[0].token)


def _free_later(rows: QuerySet[WebhookEvent], token: str) -> None:
    later.write(token, "events that were claimed could not be given back", lambda: _free(rows.all()))


def _free(rows: QuerySet[WebhookEvent]) -> int:
    with _row_locks():
        free = [row.pk for row in rows.select_for_update(skip_locked=True).only("pk")]
        return rows.filter(pk__in=free).update(state=State.PENDING, token="", attempts=F("attempts") - 1)


def _rows(attempts: Sequence[Attempt]) -> QuerySet[WebhookEvent]:
    return WebhookEvent.objects.filter(
        state=State.PROCESSING,
        due_at__isnull=False,
        pk__in=[one.row.pk for one in attempts],
        token__in={one.token for one in attempts},
    )


def _row_locks() -> AbstractContextManager[Any]:
    """A transaction where there are row locks. SQLite has none, and would take its one write lock for a look."""
    return nullcontext() if _has_no_row_locks() else transaction.atomic()


def _has_no_row_locks() -> bool:
    return not connection.features.has_select_for_update_skip_locked


def next_due() -> datetime | None:
    """When the next pending event is due; in the past when it is overdue, None when there is none."""
    return next(iter(column(WebhookEvent, "due_at", statements.next_due())), None)
