"""The SQL that every event needs, built once: to build it by the ORM took most of an event's time (measured)."""

from __future__ import annotations

from functools import cache

from django.db import connection

from alerts_runtime.database.fast_sql import columns, table
from webhooks.models import WebhookEvent

_STILL_OURS = "id = %(pk)s AND state = 'processing' AND token = %(token)s"
_DUE = "WHERE state = 'pending' AND due_at <= %(now)s"


@cache
def is_any_due() -> str:
    return f"SELECT id FROM {table(WebhookEvent)} {_DUE} LIMIT 1"  # noqa: S608 - the model's own table name


@cache
def next_due() -> str:
    waiting = "state = 'pending' AND due_at IS NOT NULL"
    return f"SELECT due_at FROM {table(WebhookEvent)} WHERE {waiting} ORDER BY due_at LIMIT 1"  # noqa: S608 - as above


@cache
def claim() -> str:
    """Claims in one statement, so that no two workers get one row; where rows can be locked, none waits for another."""
    events = table(WebhookEvent)
    chosen = f"SELECT id FROM {events} {_DUE} ORDER BY due_at LIMIT %(most)s"  # noqa: S608 - as above
    if connection.features.has_select_for_update_skip_locked:
        # ARRAY: the subquery runs once. A join could run it again, and would find other rows.
        these = f"= ANY(ARRAY({chosen} FOR UPDATE SKIP LOCKED))"
    else:
        these = f"IN ({chosen})"
    return (
        f"UPDATE {events} SET state = 'processing', token = %(token)s, attempts = attempts + 1"  # noqa: S608 - as above
        f" WHERE id {these} RETURNING {columns(WebhookEvent)}"
    )


@cache
def confirm() -> str:
    events = table(WebhookEvent)
    if connection.vendor == "postgresql":  # a SELECT writes no new version of the row
        return f"SELECT {limits()} FROM {events} WHERE {_STILL_OURS} FOR UPDATE"  # noqa: S608 - as above
    return f"UPDATE {events} SET token = token WHERE {_STILL_OURS} RETURNING id"  # noqa: S608 - as above


def limits() -> str:
    """Makes PostgreSQL end the transaction in which this is selected after `limit` milliseconds."""
    return ", ".join(_limit(name) for name in ("idle_in_transaction_session_timeout", "statement_timeout"))


def _limit(name: str) -> str:
    """Sets it to `limit` milliseconds until the transaction's end, unless the site has set it lower."""
    now = f"current_setting('{name}')"
    is_lower = f"extract(epoch FROM {now}::interval) * 1000 BETWEEN 1 AND %(limit)s::bigint"
    return f"set_config('{name}', CASE WHEN {is_lower} THEN {now} ELSE %(limit)s::bigint || 'ms' END, true)"


@cache
def settle(*columns: str) -> str:
    """Writes an outcome, if the row still has our token."""
    changes = ", ".join(f"{column} = %({column})s" for column in columns)
    return f"UPDATE {table(WebhookEvent)} SET {changes}, token = '' WHERE {_STILL_OURS}"  # noqa: S608 - as above
