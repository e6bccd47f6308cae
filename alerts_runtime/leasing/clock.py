"""The one clock by which work is planned and looked for: the database's.

Several machines write `due_at` and compare it, and their own clocks differ, or are set. On PostgreSQL each process
asks the server for its time now and then, and counts on from there by its monotonic clock, which nobody sets. An
SQLite file is used on one machine, so its time is that machine's.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from time import monotonic

from django.db import connection
from django.db.models import DateTimeField, ExpressionWrapper, F, Value
from django.db.models.functions import Greatest
from django.utils import timezone

from alerts_runtime.redaction.loggers import get_logger

log = get_logger(__name__)

LEAST = timedelta(minutes=1)  # less does not matter, and NTP corrects by less all the time
QUESTIONS = 3


class DatabaseClock:
    """What the server's time was, and when by this process's monotonic clock."""

    def __init__(self) -> None:
        self._measured: tuple[datetime, float] | None = None

    def now(self) -> datetime:
        """The database's time, without asking it; this machine's where it was never asked."""
        if self._measured is None:
            return timezone.now()
        at, since = self._measured
        return at + timedelta(seconds=monotonic() - since)

    def measure(self) -> None:
        """Ask the server for its time, a few times: the shortest way there and back says it best."""
        if connection.vendor != "postgresql":
            return
        connection.ensure_connection()  # may take much longer than a question
        _, at, since = min(_ask() for _ in range(QUESTIONS))
        self._measured = at, since


def _ask() -> tuple[float, datetime, float]:
    """How long a question took, the server's time in its answer, and when, by our clock, that was: midway."""
    before = monotonic()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        (at,) = cursor.fetchone()
    after = monotonic()
    return after - before, at, (before + after) / 2


_database = DatabaseClock()


def now() -> datetime:
    """The time by which everybody plans. Each process of a worker measures it every few seconds, others each minute."""
    return _database.now()


def measure() -> None:
    """Measure it now. Raises when the database is away."""
    _database.measure()


class SteppedBack:
    """Tells by how much the clock by which work is planned was set back since it was last asked."""

    def __init__(self) -> None:
        self._ahead: float | None = None  # seconds that it shows more than the monotonic one

    def since(self, now: datetime) -> timedelta | None:
        """By how much, or None when it was not, or by less than LEAST."""
        ahead = now.timestamp() - monotonic()
        back = timedelta(seconds=(ahead if self._ahead is None else self._ahead) - ahead)
        self._ahead = ahead
        if back < LEAST:
            return None
        log.warning("clock.stepped_back", seconds=back.total_seconds())
        return back


def brought_forward(field: str, by: timedelta, now: datetime) -> Greatest:
    """For an UPDATE: the time in this field moved earlier `by` that much, but not before `now`."""
    earlier = ExpressionWrapper(F(field) - by, output_field=DateTimeField())
    return Greatest(earlier, Value(now, output_field=DateTimeField()))
