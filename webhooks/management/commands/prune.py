"""`manage.py prune`: delete what is older than the retention now; the worker does it bit by bit."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import timedelta
from functools import partial
from typing import Any

from django.utils import timezone

from alerts_runtime.management.command import whole
from alerts_runtime.management.database import DatabaseCommand
from webhooks.conf import config
from webhooks.process import arm, failures
from webhooks.receive import refusals


class Command(DatabaseCommand):
    help = (
        "Delete processed events that were received longer ago than the retention, with their failures, "
        "and refusals as old, as the worker does once an hour. Events that wait are never deleted, those that were "
        "given up only with --dead."
    )
    examples = (
        "",
        "--days 30 --dead",
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--days", type=whole(0, 36_500), help='default: WEBHOOKS["RETENTION_DAYS"]')
        parser.add_argument("--dead", action="store_true", help="also events that were given up")

    def handle(self, **options: Any) -> None:
        days = config().retention_days if options["days"] is None else options["days"]
        before = timezone.now() - timedelta(days=days)
        events = failed = 0
        while (batch := arm.prune(before, dead=options["dead"])) != (0, 0):
            events, failed = events + batch[0], failed + batch[1]
        tracebacks = sum(iter(failures.prune_tracebacks, 0))
        refused = sum(iter(partial(refusals.prune, before), 0))
        self.stdout.write(
            f"Deleted what is older than {days} days: {events} events, {failed} failures, "
            f"{tracebacks} tracebacks, {refused} refusal counts."
        )
