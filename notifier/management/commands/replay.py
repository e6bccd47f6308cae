"""`manage.py replay` where events are not kept by `webhooks`: those of dj-stripe, in its own way."""

from __future__ import annotations

from argparse import ArgumentParser
from fnmatch import fnmatchcase
from typing import Any

from django.apps import apps
from django.core.management import load_command_class
from django.core.management.base import BaseCommand, CommandError

from alerts_runtime.leasing import clock
from alerts_runtime.management.database import DatabaseCommand
from notifier.flow import replays
from notifier.models import Occurrence


class Replay(DatabaseCommand):
    help = (
        "Have events that failed processed again by a worker: those named, or all that match. Those that are processed "
        "by now are left alone, so it may be run twice."
    )
    examples = (
        "evt_1",
        "--type 'invoice.*'",
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("ids", nargs="*", metavar="evt_...")
        parser.add_argument("--type", default="*", help="a glob: invoice.*")
        parser.add_argument("--state", choices=["dead"], help="only those that nothing retries by itself")

    def handle(self, **options: Any) -> None:
        ids = options["ids"] or _waiting(options["type"], only_dead=options["state"] == "dead")
        found = replays.Replayed()
        for start in range(0, len(ids), replays.MOST):
            found += replays.replay(ids[start : start + replays.MOST], clock.now())
        missing = len(set(ids)) - found.again - found.hurried - found.left
        said = {"processed again by a worker": found.again + found.hurried, "processed already": found.left}
        self.stdout.write(
            ", ".join(f"{number} {what}" for what, number in said.items() if number) or "Nothing matches."
        )
        if missing:
            raise CommandError(f"{missing} not found: only events that have failed can be replayed.")


def _waiting(glob: str, *, only_dead: bool) -> list[str]:
    rows = Occurrence.objects.filter(recovered_at__isnull=True).exclude(event_id="").order_by("event_id")
    if only_dead:
        rows = rows.filter(dead=True)
    found = rows.values_list("event_id", "event_type").distinct()
    return sorted({event_id for event_id, kind in found if fnmatchcase(kind, glob)})


# Where both apps have a command of this name, the order of INSTALLED_APPS decides: it is the same one then.
Command: type[BaseCommand] = Replay
if apps.is_installed("webhooks"):
    Command = type(load_command_class("webhooks", "replay"))
