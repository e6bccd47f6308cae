"""The only writer of Refusal: counted in memory, flushed at most once a second, never on a request's thread.

Whoever floods an endpoint with bad signatures costs a row a minute, not a row a request.
"""

from __future__ import annotations

import atexit
import threading
from collections import Counter
from datetime import datetime

from django.db import connection
from django.db.models import F

from alerts_runtime.database.retention import delete_some
from alerts_runtime.redaction.loggers import get_logger
from webhooks.models import Refusal

FLUSH_AFTER = 1.0  # seconds
logger = get_logger(__name__)

_Key = tuple[str, str, datetime]  # endpoint, reason, minute
_lock = threading.Lock()
_counts: Counter[_Key] = Counter()
_last_at: dict[_Key, datetime] = {}
_timer: threading.Timer | None = None


def count(endpoint: str, reason: str, now: datetime) -> None:
    """Count a refused request, in memory; written within FLUSH_AFTER seconds by a thread of its own."""
    global _timer
    key = (endpoint, reason, now.replace(second=0, microsecond=0))
    with _lock:
        _counts[key] += 1
        _last_at[key] = now
        if _timer is None:
            _timer = threading.Timer(FLUSH_AFTER, _flush_and_close)
            _timer.name, _timer.daemon = "refusals", True
            _timer.start()


def flush() -> int:
    """Write what was counted; returns how many rows that took. What cannot be written is kept for the next time."""
    global _timer
    with _lock:
        counts, last_at = dict(_counts), dict(_last_at)
        _counts.clear()
        _last_at.clear()
        if _timer:
            _timer.cancel()
            _timer = None
    try:
        for key, number in counts.items():
            _add(key, number, last_at[key])
            del last_at[key]
    except Exception as error:  # noqa: BLE001 - a count that cannot be written must break nothing
        logger.warning("refusal.not_written", error=type(error).__name__)
        with _lock:
            for key, at in last_at.items():
                _counts[key] += counts[key]
                _last_at.setdefault(key, at)
    return len(counts) - len(last_at)


def prune(before: datetime) -> int:
    """Delete a batch of the counts from before then; returns how many."""
    return delete_some(Refusal.objects.filter(minute__lt=before))


def _flush_and_close() -> None:
    try:
        flush()
    finally:
        connection.close()  # this thread's own


def _add(key: _Key, number: int, last_at: datetime) -> None:
    endpoint, reason, minute = key
    row, _ = Refusal.objects.get_or_create(
        endpoint=endpoint, reason=reason, minute=minute, defaults={"count": 0, "last_at": last_at}
    )
    Refusal.objects.filter(pk=row.pk).update(count=F("count") + number, last_at=last_at)


atexit.register(flush)
