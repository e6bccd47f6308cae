"""A day of failures through the real pipeline and couriers, on a clock that jumps from failure to failure.

    python -m tests.notifier.simulation --failures 100000

Prints how many messages each person got. The database is a SQLite file of its own with `synchronous` OFF: nothing
here has to survive a power cut, and the disk's speed is not what is asked.
"""

from __future__ import annotations

import argparse
import os
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import django
from django.apps import apps

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    os.environ["TEST_DATABASE_URL"] = ""
    os.environ["TEST_DB_SUFFIX"] = f"simulation{os.getpid()}"
    os.environ["LOG_LEVEL"] = "ERROR"
if not apps.ready:
    django.setup()

from django.db import connection
from django.test import override_settings
from rich.console import Console
from rich.table import Table

from notifier.channels import memory
from notifier.delivery import tick
from notifier.facts import Severity
from notifier.models import Alert, Digest, Notification, Occurrence
from tests.notifier.scene import OUTAGE, Clock, Scene

DAY = timedelta(days=1)
START = datetime(2026, 11, 23, 0, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
WORK_EVERY = timedelta(minutes=1)
NIGHT_FROM, NIGHT_TO = 22, 7  # o'clock
OUTAGE_FROM, OUTAGE_TO = 12, 14
PROBLEMS = 8  # handlers with a bug, each an alert of its own
EVENTS, BLOCK = 100, 4000  # so many events fail in turn, each forty times; then all of them are processed

NOTIFIER: dict[str, Any] = {
    "CHANNELS": {
        "slack": {"BACKEND": "memory", "TO": ["#payments"]},
        "oncall": {"BACKEND": "tests.notifier.scene.Folding", "TO": ["on-call"]},
        "team": {"BACKEND": "memory", "TO": ["team@example.com"]},
    },
    "ROUTES": {"critical": ["slack", "oncall", "team"], "error": ["slack"], "warning": ["slack"], "*": []},
    "DIGESTS": {"daily": {"AT": "08:00", "TO": ["team"]}},
    "QUIET_HOURS": {
        "night": {"HOURS": f"{NIGHT_FROM}:00-0{NIGHT_TO}:00", "CHANNELS": ["slack", "team"], "UNLESS": "critical"}
    },
    "LIMITS": {
        "slack": {"RATES": ["1/1s"]},
        "oncall": {"RATES": ["1/1m", "5/15m", "11/1h smooth", "21/3h smooth"]},
    },
    "TZ": "UTC",
}


@dataclass
class Outcome:
    """What became of a day."""

    failures: int
    seconds: float = 0.0
    alerts: int = 0
    occurrences: int = 0
    reasons: dict[str, Counter[str]] = field(default_factory=dict)  # address -> why, and how many messages
    times: dict[str, list[datetime]] = field(default_factory=dict)
    at_night: Counter[str] = field(default_factory=Counter)  # not critical, in quiet hours


def simulate(failures: int) -> Outcome:
    """Let a day with so many failures pass, and the morning after it. Needs Django set up, and an empty database."""
    memory.clear()
    began = time.monotonic()
    scene, outcome = Scene(Clock(START)), Outcome(failures)
    next_work = START
    for number in range(failures):
        at = START + DAY * number / failures
        while next_work <= at:
            _work(scene, next_work, outcome)
            next_work += WORK_EVERY
        scene.clock.at = at
        block, event = number // BLOCK, number % EVENTS
        scene.fail(event_id=f"evt_{block}_{event}", key=f"failure {number}", **_what(at, event))
        if number % BLOCK == BLOCK - 1 or number == failures - 1:
            for event in range(EVENTS):
                scene.recover(f"evt_{block}_{event}")
    while next_work <= START + DAY + timedelta(hours=9):
        _work(scene, next_work, outcome)
        next_work += WORK_EVERY
    outcome.seconds = time.monotonic() - began
    outcome.alerts, outcome.occurrences = Alert.objects.count(), Occurrence.objects.count()
    return outcome


def _what(at: datetime, event: int) -> dict[str, Any]:
    """Bugs in several handlers all day, and for two hours an outage of the database."""
    if OUTAGE_FROM <= at.hour < OUTAGE_TO and event % 2:
        return {"event_type": "invoice.paid", "exceptions": OUTAGE, "attempt": 2}
    return {"event_type": f"type.{event % PROBLEMS}"}


def _work(scene: Scene, at: datetime, outcome: Outcome) -> None:
    scene.clock.at = at
    if at.minute == 0:
        tick.start_digests(at)
    quiet = at.hour >= NIGHT_FROM or at.hour < NIGHT_TO
    due = Notification.objects.filter(due_at__lte=at).exclude(target__next_at__gt=at)
    busy = set(due.values_list("target__channel", flat=True))
    busy |= set(Digest.objects.filter(due_at__lte=at).values_list("target__channel", flat=True))
    for sent in scene.deliver(*busy) if busy else ():
        outcome.reasons.setdefault(sent.address, Counter())[str(sent.message.reason)] += 1
        outcome.times.setdefault(sent.address, []).append(at)
        if quiet and sent.message.severity < Severity.CRITICAL:
            outcome.at_night[sent.address] += 1


def show(outcome: Outcome) -> None:
    """The messages of each person, as a table."""
    table = Table(title=f"{outcome.failures:,} failures in a day, {outcome.alerts} alerts, {outcome.seconds:.1f} s")
    table.caption = "at night: in quiet hours, although it was not critical"
    kinds = sorted({kind for reasons in outcome.reasons.values() for kind in reasons})
    table.add_column("to", no_wrap=True)
    for name in ("messages", *kinds, "at night"):
        table.add_column(name, justify="right")
    for address, reasons in sorted(outcome.reasons.items()):
        numbers = [reasons.total(), *(reasons[kind] for kind in kinds), outcome.at_night[address]]
        table.add_row(address, *map(str, numbers))
    Console().print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description="How many messages each person gets of a day of failures.")
    parser.add_argument("--failures", type=int, default=100_000)
    options = parser.parse_args()
    with override_settings(NOTIFIER=NOTIFIER):
        connection.creation.create_test_db(verbosity=0)
        try:
            connection.cursor().execute("PRAGMA synchronous=OFF")
            show(simulate(options.failures))
        finally:
            connection.creation.destroy_test_db("", verbosity=0)


if __name__ == "__main__":
    main()
