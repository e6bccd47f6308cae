"""Providers are down for an hour of simulated time, and thousands of alerts wait: in-process, on a clock that jumps.

    python -m tests.outages.provider --alerts 10000 (what docs/chaos.md shows)

Prints what became of it as JSON. The database is a SQLite file of its own with `synchronous` OFF: what is asked is how
often a provider is tried and what its recipients get, not the disk.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.outages.report import Outcome

if TYPE_CHECKING:
    from tests.notifier.scene import Scene

ALERTS = 3_000
KINDS = 50  # of events, among these alerts
DOWN = timedelta(hours=1)
SECOND = timedelta(seconds=1)
WATCHED = 120  # seconds after they are back; to tell so many alerts one by one takes hours, whatever was down
LONGEST_WAIT = timedelta(minutes=6)  # between two tries of one message, and a little more
MOST_TRIES = 150  # in the hour, by channel: one in half a minute, and some at its beginning
MOST_MEMORY = 100.0  # MB


@dataclass
class Story:
    """What one run was like."""

    alerts: int
    tries: dict[str, int] = field(default_factory=dict)  # while the providers were down, by channel
    back_after: dict[str, float] = field(default_factory=dict)  # seconds until the first message arrived
    messages: dict[str, int] = field(default_factory=dict)  # in the seconds after they were back
    told: dict[str, int] = field(default_factory=dict)  # how many alerts these told
    forgotten: int = 0  # neither told nor planned
    doubled: int = 0
    step_ms: float = 0.0  # the median of a courier's steps that had something to do
    slowest_step_ms: float = 0.0
    memory_mb: float = 0.0  # by which the process grew
    seconds: float = 0.0


def down_for_an_hour(folder: Path) -> Outcome:
    """Run it in a process of its own, whose memory is nobody else's."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.outages.provider"], capture_output=True, text=True, check=False, env=os.environ
    )
    outcome = Outcome()
    if done.returncode:
        outcome.broken.append(done.stdout[-2000:] + done.stderr[-2000:])
        return outcome
    return judge(Story(**json.loads(done.stdout.splitlines()[-1])), outcome)


def judge(story: Story, outcome: Outcome) -> Outcome:
    outcome.count.alerts_lost = story.forgotten
    outcome.count.doubled = outcome.count.unmarked = story.doubled
    outcome.recovered = max(story.back_after.values(), default=float("inf"))
    tries = sum(story.tries.values())
    outcome.check(max(story.tries.values()) <= MOST_TRIES, f"while they were down they were tried: {story.tries}")
    outcome.check(story.back_after.keys() == story.tries.keys(), f"when they were back: {story.back_after}")
    chat = (story.messages.get("chat", 0), story.told.get("chat", 0))
    outcome.check(WATCHED / 2 <= chat[0] == chat[1] <= WATCHED, f"chat got {chat[0]} messages of {chat[1]} alerts")
    outcome.check(story.messages.get("page", 0) <= 3, f"pages: {story.messages}")
    outcome.check(story.memory_mb < MOST_MEMORY, f"the process grew by {story.memory_mb} MB")
    outcome.said = (
        f"{story.alerts} alerts waited, {tries} tries in the hour; in {WATCHED} s after it {chat[0]} single messages, "
        f"{story.messages.get('page')} pages with {story.told.get('page')}; a step takes {story.step_ms:.0f} ms"
    )
    return outcome


def run(alerts: int) -> Story:
    from notifier.models import Attempt, AttemptPart, Notification
    from tests.notifier.scene import Clock, Scene
    from tests.outages import provider_channels as channels

    story, began, steps = Story(alerts), time.monotonic(), list[float]()
    scene = Scene(Clock())
    _open(scene, alerts)
    channels.down = True
    _pass(scene, SECOND, steps)
    before = _memory()
    _pass(scene, DOWN, steps)
    story.tries = dict(Counter(Attempt.objects.values_list("target__channel", flat=True)))
    channels.down, back = False, scene.now
    _pass(scene, WATCHED * SECOND, steps)
    _pass(scene, LONGEST_WAIT - WATCHED * SECOND, steps, only="page")
    told = Attempt.objects.filter(result="delivered")
    story.messages = dict(Counter(told.values_list("target__channel", flat=True)))
    for attempt in told.order_by("-pk").select_related("target"):
        story.back_after[attempt.target.channel] = (attempt.started_at - back).total_seconds()
    parts = AttemptPart.objects.filter(attempt__in=told).values_list("attempt__target__channel", "notification")
    story.told = dict(Counter(channel for channel, _ in set(parts)))
    story.doubled = len(parts) - len(set(parts))
    story.forgotten = Notification.objects.filter(told_seq=0, due_at=None).count()
    story.step_ms = sorted(steps)[len(steps) // 2] * 1000
    story.slowest_step_ms = max(steps) * 1000
    story.memory_mb = round(_memory() - before, 1)
    story.seconds = round(time.monotonic() - began, 1)
    return story


def _open(scene: Scene, alerts: int) -> None:
    """So many alerts that nobody has been told of: one that the pipeline made, and copies of it. One kind is paged."""
    from notifier.models import Alert, Notification, Occurrence

    first = scene.alert()
    models: list[tuple[Any, str]] = [(Alert, "pk"), (Occurrence, "alert"), (Notification, "alert")]
    for model, pk in models:
        rows = list(model.objects.filter(**{pk: first.pk}))
        names = [one.attname for one in model._meta.concrete_fields if not one.primary_key]
        copies = [
            {name: getattr(row, name) for name in names} | _own(model.__name__, number, first.pk)
            for number in range(1, alerts)
            for row in rows
            if not (isinstance(row, Notification) and row.target.channel == "page" and number % KINDS)
        ]
        model.objects.bulk_create([model(**values) for values in copies], batch_size=500)


def _own(model: str, number: int, first: int) -> dict[str, object]:
    """What a copy does not share."""
    if model == "Alert":
        return {"fingerprint": f"copy {number}", "event_type": f"type.{number % KINDS}"}
    own: dict[str, object] = {"alert_id": first + number}
    return own | ({"key": f"copy {number}", "event_id": f"evt_copy_{number}"} if model == "Occurrence" else {})


def _pass(scene: Scene, by: timedelta, steps: list[float], only: str = "") -> None:
    """Time passes, second by second; the couriers work until nothing more goes."""
    from notifier.models import Target

    end = scene.now + by
    while scene.now < end:
        scene.clock.step(SECOND)
        for target in Target.objects.filter(channel__startswith=only).exclude(next_at__gt=scene.now):
            courier, busy = scene.courier(target.channel), True
            while busy:
                began = time.monotonic()
                wait = courier.step()
                if busy := wait == 0.0 or courier.busy():
                    steps.append(time.monotonic() - began)


def _memory() -> float:
    """The most that this process ever had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--alerts", type=int, default=ALERTS)
    alerts = parser.parse_args().alerts
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    os.environ |= {"TEST_DATABASE_URL": "", "TEST_DB_SUFFIX": f"provider{os.getpid()}", "LOG_LEVEL": "CRITICAL"}
    import django

    django.setup()
    from django.db import connection
    from django.test import override_settings

    from tests.outages.provider_channels import NOTIFIER

    with override_settings(NOTIFIER=NOTIFIER):
        connection.creation.create_test_db(verbosity=0)
        try:
            connection.cursor().execute("PRAGMA synchronous=OFF")
            print(json.dumps(asdict(run(alerts))))  # noqa: T201 - a program's output
        finally:
            connection.creation.destroy_test_db("", verbosity=0)


if __name__ == "__main__":
    main()
