"""Notices, from the web process, that nobody works: a 200 to Stripe must never hide that."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.core.mail import mail_admins
from django.db import connection
from django.utils import timezone

from alerts_runtime import background
from alerts_runtime.isolation.threads import close_connections, daemon
from alerts_runtime.models import Said
from alerts_runtime.monitoring import heartbeat
from alerts_runtime.redaction.loggers import get_logger

log = get_logger(__name__)

LOOK_EVERY = 60.0  # seconds, in each process
SAY_EVERY = timedelta(minutes=15)  # on one site, whichever process notices
BEAT_WITHIN = timedelta(seconds=60)
LATE_AFTER = timedelta(seconds=60)
STUCK_AFTER = timedelta(minutes=5)
SILENT_AFTER = timedelta(minutes=2)  # of every thread of a loop while work waits for it: none is left


class Verdict(StrEnum):
    """What the heartbeat and the oldest thing that waits say together."""

    OK = "ok"  # a worker lives and nothing waits for long
    IDLE = "idle"  # no worker lives, and nothing waits for long
    LATE = "late"  # a worker lives and is behind
    STUCK = "stuck"  # a worker lives and does not get on
    DEAD = "dead"  # no worker lives while something waits


@dataclass(frozen=True, slots=True)
class Finding:
    verdict: Verdict
    last_beat: datetime | None
    oldest_due: datetime | None
    loop: str  # the one that it waits for


def judge(
    last_beat: datetime | None, oldest_due: datetime | None, now: datetime, silent: timedelta | None = None
) -> Verdict:
    """Whether anybody works. `silent`: since when no thread of what it waits for made progress; None: unknown. Pure."""
    alive = last_beat is not None and now - last_beat <= BEAT_WITHIN
    if oldest_due is None or now - oldest_due <= LATE_AFTER:
        return Verdict.OK if alive else Verdict.IDLE
    if not alive:
        return Verdict.DEAD
    left = silent is None or silent <= SILENT_AFTER
    return Verdict.STUCK if now - oldest_due > STUCK_AFTER or not left else Verdict.LATE


def inspect(now: datetime) -> Finding:
    """Asks the database. Raises what it raises."""
    due, name = min(background.waiting(now), default=(None, ""))
    beat = heartbeat.last_beat()
    silent = heartbeat.silent(name, now, BEAT_WITHIN) if due else None
    return Finding(judge(beat, due, now, silent), beat, due, name)


def may_say(now: datetime, what: str = "nobody works", every: timedelta | None = SAY_EVERY) -> bool:
    """Take this quarter of an hour's one warning, in one statement: of many processes only one gets it.

    `every` None: it is said once and never again.
    """
    table, moment = connection.ops.quote_name(Said._meta.db_table), connection.ops.adapt_datetimefield_value
    again, values = "NOTHING", [what, moment(now)]
    if every is not None:
        # So far in the future: the clock has been set back since.
        again = f"UPDATE SET at = excluded.at WHERE {table}.at <= %s OR {table}.at > %s"
        values += [moment(now - every), moment(now + every)]
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} (what, at) VALUES (%s, %s) ON CONFLICT (what) DO {again} RETURNING what",  # noqa: S608 - the model's own table name
            values,
        )
        return bool(cursor.fetchall())


def has_said(beginning: str) -> bool:
    """Whether anything has been said that begins so."""
    return Said.objects.filter(what__startswith=beginning).exists()


class Watchdog:
    """Looks at most once a minute, in each process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._look_at = 0.0

    def look(self, clock: float | None = None) -> threading.Thread | None:
        """Starts a look off the caller's thread if one is due; `clock` is time.monotonic()'s. Never raises."""
        clock = time.monotonic() if clock is None else clock
        with self._lock:
            if clock < self._look_at:
                return None
            self._look_at = clock + LOOK_EVERY
        thread = daemon("watchdog", _look)
        thread.start()
        return thread


def _look() -> None:
    now = timezone.now()
    try:
        found = inspect(now)
        if found.verdict in (Verdict.DEAD, Verdict.STUCK) and may_say(now):
            _say(found)
    except Exception:  # the next look asks again
        log.exception("watchdog.failed")
    finally:
        close_connections()


def describe(found: Finding) -> tuple[str, str]:
    """The headline, and what to do."""
    since = _local(found.oldest_due)
    beat = f"The last sign of a worker was at {_local(found.last_beat)}." if found.last_beat else ""
    if found.verdict is Verdict.DEAD:
        return (
            f"No worker is running; work has been waiting since {since}",
            f"{beat or 'No worker has reported yet.'} Waiting for: {found.loop}. "
            "Nothing is lost. Start `manage.py worker`.",
        )
    return (
        f"The worker is stuck: work has been waiting since {since}",
        f"{beat} Waiting for: {found.loop}. Nothing is lost. "
        "Look in the worker's log for a handler that hangs or a loop that fails, then restart `manage.py worker`.",
    )


def _say(found: Finding) -> None:
    headline, action = describe(found)
    log.critical("worker.missed", headline=headline, verdict=str(found.verdict), loop=found.loop, todo=action)
    try:
        mail_admins(headline, action)
    except Exception:  # the log has it
        log.exception("admins.not_mailed")


def _local(moment: datetime | None) -> str:
    return timezone.localtime(moment).strftime("%d %b %H:%M %Z") if moment else ""


look = Watchdog().look
