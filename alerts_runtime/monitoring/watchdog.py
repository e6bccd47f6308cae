"""Notices in the web process that no worker does the work. Stripe would not, since it is answered with 200."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.core.mail import mail_admins
from django.db.models import Q
from django.utils import timezone

from alerts_runtime import background
from alerts_runtime.isolation.threads import close_connections, daemon
from alerts_runtime.leasing import clock as database_clock
from alerts_runtime.models import Said
from alerts_runtime.monitoring import heartbeat
from alerts_runtime.redaction.loggers import get_logger

log = get_logger(__name__)

LOOK_EVERY = 60.0  # seconds, in each process
SAY_EVERY = timedelta(minutes=15)  # for all processes of a site together
BEAT_WITHIN = timedelta(seconds=60)
LATE_AFTER = timedelta(seconds=60)
STUCK_AFTER = timedelta(minutes=5)
SILENT_AFTER = timedelta(minutes=2)  # without progress in any thread of a loop while work waits for it


class Verdict(StrEnum):
    """Whether the work is done, by the last heartbeat and by how long the oldest work has waited."""

    OK = "ok"  # a worker is alive and nothing waits for long
    IDLE = "idle"  # no worker is alive, and nothing waits for long
    LATE = "late"  # a worker is alive and is behind
    STUCK = "stuck"  # a worker is alive and makes no progress
    DEAD = "dead"  # no worker is alive, and something waits


@dataclass(frozen=True, slots=True)
class Finding:
    verdict: Verdict
    last_beat: datetime | None
    oldest_due: datetime | None
    loop: str  # the loop for which the oldest work waits


def judge(
    last_beat: datetime | None, oldest_due: datetime | None, now: datetime, silent: timedelta | None = None
) -> Verdict:
    """How the work goes on. Pure.

    `last_beat`: when any worker last said that it lives. `oldest_due`: since when the oldest work waits. `silent`: how
    long ago the loop for which it waits last made progress; None when that is not known.
    """
    alive = last_beat is not None and now - last_beat <= BEAT_WITHIN
    if oldest_due is None or now - oldest_due <= LATE_AFTER:
        return Verdict.OK if alive else Verdict.IDLE
    if not alive:
        return Verdict.DEAD
    left = silent is None or silent <= SILENT_AFTER
    return Verdict.STUCK if now - oldest_due > STUCK_AFTER or not left else Verdict.LATE


def inspect(now: datetime) -> Finding:
    """How the work goes on now. Raises what the database raises."""
    due, name = min(background.waiting(now), default=(None, ""))
    beat = heartbeat.last_beat()
    silent = heartbeat.silent(name, now, BEAT_WITHIN) if due else None
    return Finding(judge(beat, due, now, silent), beat, due, name)


def may_say(now: datetime, what: str = "nobody works", every: timedelta | None = SAY_EVERY) -> bool:
    """Whether the caller is the one to say `what` now: of all processes one gets True, once in `every`.

    `every` None: once for all time.
    """
    _, is_first = Said.objects.get_or_create(what=what, defaults={"at": now})
    if is_first or every is None:
        return is_first
    # A time in the future: this machine's clock was set back since. Of several that write, one finds it as it was.
    over = Q(at__lte=now - every) | Q(at__gt=now + every)
    return Said.objects.filter(over, what=what).update(at=now) == 1


def has_said(beginning: str) -> bool:
    """Whether `may_say` was ever granted for something that begins with this text."""
    return Said.objects.filter(what__startswith=beginning).exists()


class Watchdog:
    """Looks at most once a minute, in each process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._look_at = 0.0

    def look(self, clock: float | None = None) -> threading.Thread | None:
        """Look from a thread of its own, unless this process has looked within LOOK_EVERY seconds. Never raises.

        `clock`: time.monotonic(). Returns the thread, for tests.
        """
        clock = time.monotonic() if clock is None else clock
        with self._lock:
            if clock < self._look_at:
                return None
            self._look_at = clock + LOOK_EVERY
        thread = daemon("watchdog", _look)
        thread.start()
        return thread


def _look() -> None:
    try:
        database_clock.measure()  # the heartbeats were written by it
        now = database_clock.now()
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
