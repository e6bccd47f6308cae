"""Who has an event. `due_at` is the only scheduler: see the model.

A claim is a statement of its own: inside the handlers' transaction it would fail them with it.
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
    """The events that have been due longest, in the order in which their turn comes."""
    if _has_no_row_locks() and not is_any_due(now):
        return []  # to claim nothing would still take SQLite's one write lock
    token = holders.token()
    values = {"token": token, "now": connection.ops.adapt_datetimefield_value(now), "most": most}
    connection.ensure_connection()
    try:
        rows = until_serialized(lambda: select([WebhookEvent], statements.claim(), values))
    except Exception:  # it may have been committed before the connection broke
        _free_later(WebhookEvent.objects.filter(state=State.PROCESSING, token=token), token)
        raise
    attempts = [Attempt(row, token) for (row,) in rows]
    return _held(sorted(attempts, key=lambda one: turn(one.row)))


def turn(row: WebhookEvent) -> tuple[datetime | None, int]:
    """By which those that were claimed together are ordered."""
    return row.due_at, row.pk


def is_any_due(now: datetime) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(statements.is_any_due(), {"now": connection.ops.adapt_datetimefield_value(now)})
        return cursor.fetchone() is not None


def claim_inline(pk: int) -> Attempt | None:
    """This event, due or not, unless somebody has it or it is done."""
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
    return _held([Attempt(row, token)])[0]


def _held(attempts: list[Attempt]) -> list[Attempt]:
    in_progress.add(attempts)
    return attempts


def are_ours(attempts: Sequence[Attempt]) -> bool:
    """Whether any of these still is, as far as has been committed."""
    return _rows(attempts).exists()


def confirm(attempt: Attempt) -> bool:
    """Inside the handlers' transaction: lock the row, so that it cannot be taken away while they run.

    PostgreSQL ends a transaction whose handler hangs, which frees the row.
    https://www.postgresql.org/docs/current/runtime-config-client.html
    """
    limit = int(config().handler_timeout.total_seconds() * 1000)
    with connection.cursor() as cursor:
        cursor.execute(statements.confirm(), {"pk": attempt.row.pk, "token": attempt.token, "limit": limit})
        return bool(cursor.fetchall())


def hand_back(attempts: Sequence[Attempt]) -> int:
    """Give these up at once, so that others may have them: the attempt does not count.

    Without those whose handlers' transaction holds them locked.
    """
    return until_serialized(lambda: _free(_rows(attempts)))


def give_back(attempts: Sequence[Attempt]) -> None:
    """The same, at once or later: for as long as this process lives nobody else frees them."""
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
    """SQLite has no row locks, and a transaction there would take the one write lock just to look."""
    return nullcontext() if _has_no_row_locks() else transaction.atomic()


def _has_no_row_locks() -> bool:
    return not connection.features.has_select_for_update_skip_locked


def next_due() -> datetime | None:
    """When the next pending event is due, or has been since."""
    return next(iter(column(WebhookEvent, "due_at", statements.next_due())), None)
