"""What a delivery writes: a new event, or one more delivery of an event that is here already.

Raw SQL in autocommit: the ORM's way takes a savepoint and twice the time (measured).
"""

from __future__ import annotations

import secrets
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Any

from django.db import connection
from django.utils import timezone

from alerts_runtime.database.fast_sql import fields, insert, prepared, table
from alerts_runtime.database.reconnect import on_a_good_connection
from alerts_runtime.database.sqlite import check_file, shared_file
from alerts_runtime.database.sqlite_write_lock import turn
from webhooks.conf import config
from webhooks.events import StripeEvent
from webhooks.models import WebhookEvent
from webhooks.process.retry import INLINE_PATIENCE
from webhooks.receive.group_commit import GroupCommit

_TRIAL_BYTES = 16_384
State = WebhookEvent.State


class Arrival(StrEnum):
    CREATED = "created"
    DUPLICATE = "duplicate"
    REARMED = "rearmed"
    IGNORED = "ignored"


@dataclass(frozen=True, slots=True)
class Stored:
    arrival: Arrival
    pk: int


def store(event: StripeEvent, body: str, now: datetime, *, ignored: bool = False) -> Stored:
    """Keep an event: one statement, two for most duplicates. A duplicate of a dead event arms it again.

    One that is ignored is kept and never handled, and gives way to one of the same id that is not: whoever can sign
    for a test endpoint could take the id from a live event.
    """
    due_at = now + INLINE_PATIENCE if config().is_inline(event.endpoint) else now
    row = _new_row(event, body, now, due_at)
    if ignored:
        row |= {"state": State.IGNORED.value, "due_at": None}
    # Nobody else's row into a transaction of ours, which may end otherwise.
    alone = connection.vendor != "sqlite" or connection.in_atomic_block
    pk = _insert([row])[0] if alone else _insert_together(row)
    if ignored:
        return Stored(Arrival.IGNORED, pk or 0)  # it must not arm another's event again
    if pk is not None:
        return Stored(Arrival.CREATED, pk)
    # None: it was pruned in between, or was ignored and has given way.
    return _duplicate(event.id, due_at, now) or store(event, body, now)


def try_to_store() -> None:
    """What storing an event asks of the database. For a transaction that is rolled back."""
    now = timezone.now()
    event = StripeEvent(
        id=f"evt_trial_{secrets.token_hex(16)}",
        type="trial",
        kind=WebhookEvent.Kind.SNAPSHOT,
        created=now,
        livemode=False,
        account="",
        api_version="",
        endpoint="",
        payload={},
    )
    # What does not compress needs room of its own.
    _insert_once([_new_row(event, secrets.token_hex(_TRIAL_BYTES), now, now)])


def _insert(rows: list[dict[str, Any]]) -> list[int | None]:
    """One statement. Their keys; None for a duplicate. To repeat it is harmless: it finds duplicates."""
    return on_a_good_connection(lambda: _insert_once(rows))


def _insert_once(rows: list[dict[str, Any]]) -> list[int | None]:
    check_file()
    # DO UPDATE would wait for a row that its running handlers have locked.
    sql = f"{insert(WebhookEvent, len(rows))} ON CONFLICT (event_id) DO NOTHING RETURNING event_id, id"
    with connection.cursor() as cursor:
        cursor.execute(sql, [value for row in rows for value in row.values()])
        keys: dict[str, int] = dict(cursor.fetchall())
    check_file()
    return [keys.pop(row["event_id"], None) for row in rows]


def _insert_in_turn(rows: list[dict[str, Any]]) -> list[int | None]:
    file = shared_file()
    with turn(file) if file else nullcontext():
        return _insert(rows)


_insert_together = GroupCommit(_insert_in_turn)


def _new_row(event: StripeEvent, body: str, now: datetime, due_at: datetime) -> dict[str, Any]:
    """As the database takes it. What is the same in every new row is prepared once."""
    adapt = connection.ops.adapt_datetimefield_value
    moment = adapt(now)
    return {
        **_blank_row(),
        "event_id": event.id,
        "type": event.type,
        "kind": event.kind,
        "endpoint": event.endpoint,
        "account": event.account,
        "livemode": event.livemode,
        "api_version": event.api_version,
        "created": adapt(event.created),
        "body": body,
        "armed_at": moment,
        "received_at": moment,
        "due_at": adapt(due_at),
    }


@cache
def _blank_row() -> dict[str, Any]:
    row = WebhookEvent()
    values = {field.attname: getattr(row, field.attname) for field in fields(WebhookEvent)}
    return prepared(WebhookEvent, values)


def _duplicate(event_id: str, due_at: datetime, now: datetime) -> Stored | None:
    """Count it, and arm a dead event again: that is what the Resend button at Stripe means.

    A row that its running handlers have locked is left alone, and that delivery is not counted: to wait for them would
    keep one of the web server's threads for as long.
    """
    moment = connection.ops.adapt_datetimefield_value(now)
    with connection.cursor() as cursor:
        cursor.execute(_count_delivery(), [moment, connection.ops.adapt_datetimefield_value(due_at), event_id, moment])
        counted = cursor.fetchall()
    for pk, state, armed_now in counted:
        if state != State.IGNORED:
            return Stored(Arrival.REARMED if armed_now else Arrival.DUPLICATE, pk)
        WebhookEvent.objects.filter(pk=pk, state=State.IGNORED).delete()
        return None
    locked = WebhookEvent.objects.filter(event_id=event_id).values_list("pk", flat=True).first()
    return None if locked is None else Stored(Arrival.DUPLICATE, locked)


@cache
def _count_delivery() -> str:
    events = table(WebhookEvent)
    skip = "FOR UPDATE SKIP LOCKED" if connection.features.has_select_for_update_skip_locked else ""
    return (
        f"UPDATE {events} SET deliveries = deliveries + 1,"  # noqa: S608 - the model's own table name
        " earlier_attempts = CASE state WHEN 'dead' THEN attempts ELSE earlier_attempts END,"
        " armed_at = CASE state WHEN 'dead' THEN %s ELSE armed_at END,"
        " due_at = CASE state WHEN 'dead' THEN %s ELSE due_at END,"
        " state = CASE state WHEN 'dead' THEN 'pending' ELSE state END"
        f" WHERE id = (SELECT id FROM {events} WHERE event_id = %s {skip}) RETURNING id, state, armed_at = %s"
    )
