"""Calls HEARTBEAT_URL once a minute while nothing is overdue; a service outside raises the alarm when no call comes.

For services such as https://healthchecks.io/docs/monitoring_cron_jobs/: this machine may be gone, and cannot say so.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime

import requests
from django.conf import settings
from django.utils import timezone

from alerts_runtime.background import Loop
from alerts_runtime.monitoring import watchdog
from alerts_runtime.monitoring.watchdog import Verdict
from alerts_runtime.redaction.loggers import get_logger

log = get_logger(__name__)

EVERY = 60.0  # seconds
_HEADERS = {"User-Agent": "stripe-webhook-alerts"}
TIMEOUT = (5.0, 10.0)  # seconds to connect, and to wait for the answer


def loops() -> Iterator[Loop]:
    """One loop, so that a service that does not answer delays nothing else; none without HEARTBEAT_URL."""
    if url := getattr(settings, "HEARTBEAT_URL", ""):  # a site with settings of its own may not have it
        yield Loop("heartbeat-url", Ping(url).step, topic=None)


class Ping:
    """Calls the URL while a worker lives and nothing is overdue. The URL is a secret, and never logged."""

    def __init__(
        self,
        url: str,
        now: Callable[[], datetime] = timezone.now,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = url
        self._now = now
        self._clock = clock
        self._next = 0.0
        self._trouble = ""

    def step(self) -> float:
        if self._clock() < self._next:
            return 1.0
        self._next = self._clock() + EVERY
        verdict = watchdog.inspect(self._now()).verdict
        if verdict is Verdict.OK:
            self._note(self._ask())
        else:
            self._note(f"not asked: the work is {verdict}")
        return 1.0

    def _ask(self) -> str:
        """Call the URL; what went wrong, or ""."""
        try:
            # Of the answer only the status is read, however much follows it.
            with requests.get(self._url, timeout=TIMEOUT, headers=_HEADERS, stream=True) as answer:
                return "" if answer.ok else f"HTTP {answer.status_code}"
        except requests.RequestException as error:
            return type(error).__name__

    def _note(self, trouble: str) -> None:
        """Log when it begins to fail, fails otherwise, or works again."""
        if trouble == self._trouble:
            return
        if trouble:
            log.warning("heartbeat_url.not_reached", reason=trouble)
        else:
            log.info("heartbeat_url.reached")
        self._trouble = trouble
