"""`manage.py override`: let somebody take a rotation over for a time."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.core.management.base import CommandError

from alerts_runtime.leasing import clock
from alerts_runtime.management.command import MOST_ROWS, user, whole
from alerts_runtime.management.database import DatabaseCommand
from notifier.config.conf import get_policy
from notifier.config.problems import nearest
from notifier.judge.durations import parse_duration
from notifier.judge.oncall.when import parse_when
from notifier.judge.policy import Policy
from notifier.messages.oncall import taken, undone
from notifier.messages.wording import sentence
from notifier.models import Override
from notifier.oncall import overrides


class Command(DatabaseCommand):
    help = "Let somebody take a rotation over for a time. Nobody has to consent, and it can be undone."
    examples = (
        "payments bob --for 4h",
        'payments bob --from 18:00 --to "2026-12-25 09:00"',
        "--list",
        "--undo 3",
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("rotation", nargs="?", help="its name in NOTIFIER['ONCALL']")
        parser.add_argument("person", nargs="?", help="who takes it: their name in NOTIFIER['PEOPLE']")
        parser.add_argument("--from", dest="start", default="now", help='"2026-12-24 18:00", "18:00"; default: now')
        parser.add_argument("--to", dest="end", help="until when, written likewise")
        parser.add_argument("--for", dest="lasting", help="or how long, e.g. 2h")
        parser.add_argument("--author", default=None, help="who says so; default: the user of this machine")
        parser.add_argument("--undo", type=whole(1, MOST_ROWS), metavar="N", help="end override N now")
        parser.add_argument("--list", action="store_true", help="list the overrides that count now or later")

    def handle(self, **options: Any) -> None:
        policy, now = get_policy(), clock.now()
        author = options["author"] or user()
        if options["list"]:
            for row in Override.objects.filter(ends_at__gt=now, undone_at__isnull=True).order_by("starts_at"):
                self.stdout.write(f"{row.pk}: {taken(row, policy, now)} Made by {row.author}.")
            return
        try:
            self.stdout.write(
                _undo(options["undo"], author, policy, now)
                if options["undo"] is not None
                else _take(options, author, policy, now)
            )
        except ValueError as error:
            raise CommandError(sentence(error)) from None


def _undo(number: int, author: str, policy: Policy, now: datetime) -> str:
    row = Override.objects.filter(pk=number).first()
    if row is None:
        raise ValueError(f"there is no override {number}; see `manage.py override --list`")
    return undone(overrides.undo(row, author, now), policy, now)


def _take(options: dict[str, Any], author: str, policy: Policy, now: datetime) -> str:
    if not options["rotation"] or not options["person"] or bool(options["end"]) == bool(options["lasting"]):
        raise ValueError('say what, who and until when: override payments bob --from 18:00 --to "2026-12-25 09:00"')
    rotation, person = policy.rotations.get(options["rotation"]), policy.people.get(options["person"])
    if rotation is None:
        raise ValueError(f"there is no such rotation. {nearest(options['rotation'], policy.rotations)}")
    if person is None:
        raise ValueError(f"there is no such person. {nearest(options['person'], policy.people)}")
    start = parse_when(options["start"], rotation.tz, now)
    if options["end"]:
        end = parse_when(options["end"], rotation.tz, max(start, now))
    else:
        end = max(start, now) + parse_duration(options["lasting"])
    row = overrides.take(rotation, person, start=start, end=end, author=author, now=now)
    return f"Override {row.pk}: {taken(row, policy, now)}"
