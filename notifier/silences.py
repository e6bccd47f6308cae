"""The only writer of Silence. A silence holds what it matches; it ends by itself and what it held is then told."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cache

from django.db import connection

from core.retention import delete_some
from core.statements import columns, select
from notifier import outbox
from notifier.conf import parse_match
from notifier.guards import Silenced
from notifier.models import Silence


def silence(
    match: Mapping[str, object],
    *,
    until: datetime,
    author: str,
    comment: str,
    now: datetime,
    start: datetime | None = None,
) -> Silence:
    """Begin a silence. `match` is written as in ROUTES. Raises ValueError, in a sentence, for a bad one."""
    if not match:
        raise ValueError('a silence must say what it silences, e.g. {"event": "invoice.*"}')
    starts_at = start or now
    if until <= max(starts_at, now):
        raise ValueError("a silence must end later than it begins, and later than now")
    parse_match(match)
    return Silence.objects.create(
        matcher=dict(match),
        starts_at=starts_at,
        ends_at=until,
        author=author,
        comment=comment,
        created_at=now,
    )


def end(row: Silence, now: datetime) -> int:
    """End a silence now; how many held notifications are judged again."""
    Silence.objects.filter(pk=row.pk, ends_at__gt=now).update(ends_at=now)
    return outbox.release_held(f"silence {row.pk}", now)


def prune(before: datetime) -> int:
    """Delete a batch of the silences that ended before then; how many."""
    return delete_some(Silence.objects.filter(ends_at__lt=before))


def in_force(now: datetime) -> tuple[Silenced, ...]:
    """The silences in force, for the guards."""
    at = connection.ops.adapt_datetimefield_value(now)
    return tuple(
        Silenced(row.pk, parse_match(row.matcher), row.starts_at, row.ends_at, row.comment)
        for (row,) in select([Silence], _in_force(), [at, at])
    )


@cache
def _in_force() -> str:
    return f"SELECT {columns(Silence)} FROM notifier_silence WHERE starts_at <= %s AND ends_at > %s"  # noqa: S608 - the model's own names
