"""Stores a delivery: a new event, or one more delivery of an event that is stored already.

In SQL of its own, in autocommit: the ORM would add a savepoint and take twice the time (measured).
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

from alerts_runtime.database.fast_sql import fields, insert, prepared, table
from alerts_runtime.database.reconnect import on_a_good_connection
from alerts_runtime.database.sqlite import check_file, shared_file
from alerts_runtime.database.sqlite_write_lock import turn
from alerts_runtime.leasing import clock
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
    """Store an event, in one statement, or two for most duplicates. A duplicate of a dead event arms it again.

    `ignored`: it is stored and never handled, and is replaced by one of the same id that is to be handled. Otherwise
    somebody who can sign for a test endpoint could keep a live event out by sending its id first.
    """
    due_at = now + INLINE_PATIENCE if config().is_inline(event.endpoint) else now
    row = _new_row(event, body, now, due_at)
    if ignored:
        row |= {"state": State.IGNORED.value, "due_at": None}
    # Within a transaction it is stored alone: that may be rolled back, and other threads' events with it.
    alone = connection.vendor != "sqlite" or connection.in_atomic_block
    pk = _insert([row])[0] if alone else _insert_together(row)
    if ignored:
        return Stored(Arrival.IGNORED, pk or 0)  # it must not arm another's event again
    if pk is not None:
        return Stored(Arrival.CREATED, pk)
    # None: meanwhile it was pruned, or it was an ignored one and was deleted.
    return _duplicate(event.id, due_at, now) or store(event, body, now)


def try_to_store() -> None:
    """Store a made-up event in a transaction that the caller rolls back: so /readyz finds out whether that works."""
    now = clock.now()
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
    # Random text, which cannot be compressed: it needs room on the disk.
    _insert_once([_new_row(event, secrets.token_hex(_TRIAL_BYTES), now, now)])


def _insert(rows: list[dict[str, Any]]) -> list[int | None]:
    """Insert them in one statement; returns their keys, None for a duplicate. It may be repeated without harm."""
    return on_a_good_connection(lambda: _insert_once(rows))


def _insert_once(rows: list[dict[str, Any]]) -> list[int | None]:
    check_file()
    # Not DO UPDATE, which would wait for a row that running handlers have locked.
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
    """A new row's values as the database takes them. Those that are the same in every row are prepared once."""
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
        "object_id": event.object_id,
        "customer": event.customer,
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
    """Count the delivery, and arm a dead event again, which is what Stripe's Resend button is for.

    A row that running handlers have locked is left alone and its delivery not counted: to wait for them would block a
    thread of the web server for as long.
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
