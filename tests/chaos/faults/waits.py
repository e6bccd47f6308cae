"""The waits that a test has no time for, each with what it is in production. They are in the table's foot."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from tests.chaos.points import locate


@dataclass(frozen=True)
class Wait:
    path: str
    here: Any
    words: str


def _retries() -> Any:
    from alerts_runtime.isolation import backoff

    return backoff.policy(attempts=60, max_age=259_200, multiplier=0.5, longest=2, jitter=0.2)


WAITS = (
    Wait("notifier.outbox.after_try.RETRIES", _retries, "a message is tried again after 0.5 s (2 to 7 s)"),
    Wait(
        "webhooks.process.failures._PATIENCE", timedelta(seconds=1), "a lost announcement is made again after 1 s (5 s)"
    ),
)
# Set in tests.chaos.settings and by tests.acceptance.site.
SETTINGS = (
    "a process counts as gone after 3 s (15 s)",
    "an event is tried again after 1 s (10 s)",
)


def shorten() -> None:
    for wait in WAITS:
        owner, name = locate(wait.path)
        setattr(owner, name, wait.here() if callable(wait.here) else wait.here)
