"""What a site may set for the runtime. A bad value counts as left out here; checks.py reports it."""

from __future__ import annotations

from typing import TypeGuard

from django.conf import settings

THREADS, MOST_THREADS = 4, 1000
LEASE, LONGEST_LEASE = 15, 3600


def worker_threads() -> int:
    """Events that one worker handles at once."""
    value: object = getattr(settings, "WORKER_THREADS", THREADS)
    return value if is_threads(value) else THREADS


def lease() -> float:
    """Seconds after which others take over the work of a process that has died."""
    value: object = getattr(settings, "ALERTS_LEASE", LEASE)
    return value if is_lease(value) else LEASE


def metrics_token() -> str:
    """The token that lets other machines read /metrics; empty: none may."""
    value: object = getattr(settings, "METRICS_TOKEN", "")
    return value if isinstance(value, str) else ""


def is_threads(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST_THREADS


def is_lease(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= LONGEST_LEASE
