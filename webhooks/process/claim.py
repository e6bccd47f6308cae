"""Who has an event: claims, and the leases that keep them. `due_at` is the only scheduler: see the model.

A claim is a statement of its own: inside the handlers' transaction it would fail them with it.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import F, QuerySet

from alerts_runtime.database.fast_sql import select
from alerts_runtime.database.serialization import until_serialized
from webhooks.conf import config
from webhooks.models import WebhookEvent
from webhooks.process import statements
from webhooks.process.attempt import Attempt, held

State = WebhookEvent.State


def claim(now: datetime, most: int = 1) -> list[Attempt]:
    """The events that have been due longest, in the order in which their turn comes."""
    if _has_no_row_locks() and not is_any_due(now):
        return []  # to claim nothing would still take SQLite's one write lock
    at = connection.ops.adapt_datetimefield_value
    token = secrets.token_hex(16)
    values = {"token": token, "now": at(now), "until": at(now + config().lease), "most": most}
    rows = until_serialized(lambda: select([WebhookEvent], statements.claim(), values))
    return _held(sorted((Attempt(row, token) for (row,) in rows), key=lambda one: one.row.pk))


def is_any_due(now: datetime) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(statements.is_any_due(), {"now": connection.ops.adapt_datetimefield_value(now)})
        return cursor.fetchone() is not None


def claim_inline(pk: int, now: datetime) -> Attempt | None:
    """This event, due or not, unless somebody has it or it is done."""
    row = WebhookEvent.objects.filter(pk=pk, state=State.PENDING).first()
    if row is None:
        return None
    token = secrets.token_hex(16)
    unchanged = WebhookEvent.objects.filter(pk=row.pk, state=State.PENDING, due_at=row.due_at)
    claimed = {
        "state": State.PROCESSING,
        "token": token,
        "due_at": now + config().inline_lease,
        "attempts": row.attempts + 1,
    }
    if not until_serialized(lambda: unchanged.update(**claimed)):
        return None
    for name, value in claimed.items():
        setattr(row, name, value)
    return _held([Attempt(row, token)])[0]


def _held(attempts: list[Attempt]) -> list[Attempt]:
    held.add(attempts)
    return attempts


def are_ours(attempts: Sequence[Attempt]) -> bool:
    """Whether any of these still is, as far as has been committed."""
    return _rows(attempts).exists()


def confirm(attempt: Attempt) -> bool:
    """Inside the handlers' transaction: lock the row, so that the lease cannot be taken away while they run.

    PostgreSQL ends a transaction whose handler hangs, which frees the row and lets its lease run out.
    https://www.postgresql.org/docs/current/runtime-config-client.html
    """
    limit = int(config().handler_timeout.total_seconds() * 1000)
    with connection.cursor() as cursor:
        cursor.execute(statements.confirm(), {"pk": attempt.row.pk, "token": attempt.token, "limit": limit})
        return bool(cursor.fetchall())


def hand_back(attempts: Sequence[Attempt], now: datetime) -> int:
    """Give these up at once, so that others may have them: the attempt does not count."""
    return until_serialized(lambda: _hand_back(attempts, now))


def _hand_back(attempts: Sequence[Attempt], now: datetime) -> int:
    with _free_rows(attempts) as rows:
        return rows.update(state=State.PENDING, due_at=now, token="", attempts=F("attempts") - 1)


def renew(attempts: Sequence[Attempt], now: datetime) -> int:
    """Extend these leases. A row that its own handlers' transaction has locked needs no renewal, so it is skipped."""
    with _free_rows(attempts) as rows:
        return rows.update(due_at=now + config().lease)


@contextmanager
def _free_rows(attempts: Sequence[Attempt]) -> Iterator[QuerySet[WebhookEvent]]:
    """The rows of these, without those whose handlers' transaction holds them locked."""
    rows = _rows(attempts)
    with _row_locks():
        yield rows.filter(pk__in=[row.pk for row in rows.select_for_update(skip_locked=True).only("pk")])


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
    waiting = WebhookEvent.objects.filter(state=State.PENDING, due_at__isnull=False)
    return waiting.order_by("due_at").values_list("due_at", flat=True).first()
