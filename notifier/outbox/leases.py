"""Leases of targets: only the worker that holds a target's lease sends to it.

A worker claims a target by writing its token there, if there is none. The token begins with the name of its process,
and stands until it is released or that process is gone. Targets are leased, and not single messages, because order,
rate and folding concern all that goes to one target.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, partial
from typing import Any

from django.db import connection

from alerts_runtime.database.fast_sql import columns, moment, select
from alerts_runtime.isolation import later
from alerts_runtime.leasing import holders
from notifier.facts import FAILING
from notifier.models import Target


@dataclass(frozen=True, slots=True)
class Claimed:
    """A target that this worker has claimed, and what is due for it."""

    target: Target
    alerts_due: bool
    digest_due: bool


# Every channel runs this at least once a second. Building it with the ORM took most of an idle worker's time.
_ALERTS_DUE = """
    EXISTS (SELECT 1 FROM swa_notifier_notification n
            WHERE n.target_id = swa_notifier_target.id AND n.due_at <= %(now)s AND n.sending_id IS NULL)
"""
_DIGEST_DUE = """
    EXISTS (SELECT 1 FROM swa_notifier_digest d
            WHERE d.target_id = swa_notifier_target.id AND d.due_at <= %(now)s AND d.sending_id IS NULL)
"""


_FAILING = ", ".join(f"'{kind}'" for kind in FAILING)
# Notifications that are to be diverted by now, although their target itself has to wait (`next_at`).
OVERDUE = f"""
    n.due_at <= %(now)s AND n.sending_id IS NULL AND n.held_by <> 'diverted' AND (
        n.trying_since <= %(overdue)s
        OR (swa_notifier_target.waits_for IN ({_FAILING}) AND n.due_at <= %(overdue)s)
    )
"""
_ANY_OVERDUE = (
    f"EXISTS (SELECT 1 FROM swa_notifier_notification n WHERE n.target_id = swa_notifier_target.id AND {OVERDUE})"  # noqa: S608 - the text above
)
# Targets that no worker has claimed, that need not wait or have something to divert, and for which something is due.
_READY = f"""
    channel = %(channel)s AND token = ''
    AND (next_at IS NULL OR next_at <= %(now)s OR {_ANY_OVERDUE}) AND ({_ALERTS_DUE} OR {_DIGEST_DUE})
"""
_IS_ANY_READY = f"SELECT 1 FROM swa_notifier_target WHERE {_READY} LIMIT 1"  # noqa: S608 - the texts above


_READY_CHANNELS = f"""
    SELECT DISTINCT channel FROM swa_notifier_target
    WHERE token = '' AND (next_at IS NULL OR next_at <= %(now)s OR {_ANY_OVERDUE})
        AND ({_ALERTS_DUE} OR {_DIGEST_DUE})
"""  # noqa: S608 - the texts above


@cache
def _lease() -> str:
    return f"""
        UPDATE swa_notifier_target SET token = %(token)s WHERE {_READY}
        RETURNING {columns(Target)}, {_ALERTS_DUE}, {_DIGEST_DUE}
    """  # noqa: S608 - the texts above


@cache
def _claimed() -> str:
    return f"""
        SELECT {columns(Target)}, {_ALERTS_DUE}, {_DIGEST_DUE} FROM swa_notifier_target
        WHERE id = %(id)s AND token = %(token)s
    """  # noqa: S608 - the texts above


def lease(channel: str, now: datetime, failover_after: timedelta = timedelta.max) -> list[Claimed]:
    """Claim the targets of a channel for which something is due; the returned targets hold the new token.

    It is one statement, so that two workers never claim the same target. A target that has to wait is claimed as well
    when something for it could not be told for `failover_after`.
    """
    asked = {"channel": channel, "now": moment(now), "overdue": moment(before(now, failover_after))}
    if connection.vendor == "sqlite" and not select([], _IS_ANY_READY, asked):
        return []  # an UPDATE of no row would still take SQLite's one write lock
    token = holders.token()
    connection.ensure_connection()
    try:
        return _all_claimed(_lease(), token=token, **asked)
    except Exception:  # the claim may have been committed before the connection broke
        later.write(token, "recipients that were claimed could not be given back", partial(_free, [token]))
        raise


def ready_channels(now: datetime, failover_after: timedelta) -> set[str]:
    """The channels on which `lease` would find something. `failover_after` is the shortest of all channels."""
    asked = {"now": moment(now), "overdue": moment(before(now, failover_after))}
    return {channel for (channel,) in select([], _READY_CHANNELS, asked)}


def end_leases() -> int:
    """Free the targets whose holder is gone; how many. Nothing else takes a lease from its holder."""
    tokens = set(Target.objects.exclude(token="").values_list("token", flat=True))
    return _free(holders.abandoned(tokens))


def _free(tokens: list[str]) -> int:
    return Target.objects.filter(token__in=tokens).update(token="") if tokens else 0


def confirm(target_id: int, token: str) -> bool:
    """Whether this lease still stands. If so it cannot be taken before the transaction ends."""
    return _did(_confirm(connection.vendor), id=target_id, token=token)


def release(target_id: int, token: str) -> None:
    """Give a target back, so that any worker can claim it."""
    _did(_RELEASE, id=target_id, token=token)


def release_idle(target_id: int, token: str, now: datetime) -> bool:
    """Give a target back unless something is due for it; whether it was given back."""
    return _did(_RELEASE_IDLE, id=target_id, token=token, now=moment(now))


# Written as SQL for the same reason: every message needs these.
_OURS = "id = %(id)s AND token = %(token)s"
_RELEASE = f"UPDATE swa_notifier_target SET token = '' WHERE {_OURS}"  # noqa: S608 - the text above
_RELEASE_IDLE = f"{_RELEASE} AND NOT {_ALERTS_DUE} AND NOT {_DIGEST_DUE}"


@cache
def _confirm(vendor: str) -> str:
    if vendor == "postgresql":  # unlike an UPDATE, writes no new version of the row
        return f"SELECT 1 FROM swa_notifier_target WHERE {_OURS} FOR NO KEY UPDATE"  # noqa: S608 - the text above
    return f"UPDATE swa_notifier_target SET token = token WHERE {_OURS}"  # noqa: S608 - as above


def _all_claimed(sql: str, **values: object) -> list[Claimed]:
    return [Claimed(target, bool(alerts), bool(digest)) for target, alerts, digest in select([Target], sql, values)]


def _did(statement: str, **values: Any) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return bool(cursor.rowcount)


def before(now: datetime, span: timedelta) -> datetime:
    """`now - span`, or the earliest datetime there is."""
    beginning = datetime.min.replace(tzinfo=now.tzinfo)
    return now - span if span < now - beginning else beginning


def claimed(target_id: int, token: str, now: datetime) -> Claimed | None:
    """Read a target again; None when this lease of it no longer stands."""
    return next(iter(_all_claimed(_claimed(), id=target_id, token=token, now=moment(now))), None)
