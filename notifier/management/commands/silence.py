"""`manage.py silence`: tell nobody of some alerts for a while."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from alerts_runtime.leasing import clock
from alerts_runtime.management.command import MOST_ROWS, user, whole
from alerts_runtime.management.database import DatabaseCommand
from notifier.flow.silences import end, silence
from notifier.judge.durations import parse_duration
from notifier.messages.wording import counted, sentence
from notifier.models import Silence


class Command(DatabaseCommand):
    help = "Silence alerts for a time. What is held meanwhile is told when it ends, and counted in the digest."
    examples = (
        "--match 'event=invoice.*' --for 2h --comment 'known bug'",
        '--match \'{"severity": "warning", "endpoint": "connect"}\' --for 1d',
        "--list",
        "--end 7",
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--match", help='what, as in ROUTES: {"event": "invoice.*"}, or event=invoice.*')
        parser.add_argument("--for", dest="lasting", help="how long, e.g. 2h")
        parser.add_argument("--comment", default="", help="why")
        parser.add_argument("--author", default=None, help="who; default: the user of this machine")
        parser.add_argument("--end", type=whole(1, MOST_ROWS), metavar="N", help="end silence N now")
        parser.add_argument("--list", action="store_true", help="list the silences in force")

    def handle(self, **options: Any) -> None:
        now = clock.now()
        if options["list"]:
            for row in Silence.objects.filter(ends_at__gt=now).order_by("ends_at"):
                until = f"{timezone.localtime(row.ends_at):%Y-%m-%d %H:%M %Z}"
                self.stdout.write(f"{row.pk}: {json.dumps(row.matcher)} until {until}, {row.author}: {row.comment}")
            return
        if options["end"]:
            found = Silence.objects.filter(pk=options["end"]).first()
            if found is None:
                raise CommandError(f"There is no silence {options['end']}: see `manage.py silence --list`.")
            self.stdout.write(
                f"Silence {found.pk} ended; {counted(end(found, now), 'held message')} will be judged again."
            )
            return
        if not options["match"] or not options["lasting"]:
            raise CommandError("Say what and for how long: --match event=invoice.* --for 2h --comment 'known bug'.")
        try:
            row = silence(
                _match(options["match"]),
                until=now + parse_duration(options["lasting"]),
                author=options["author"] or user(),
                comment=options["comment"],
                now=now,
            )
        except ValueError as error:
            raise CommandError(sentence(error)) from error
        self.stdout.write(f"Silence {row.pk} is in force until {timezone.localtime(row.ends_at):%Y-%m-%d %H:%M %Z}.")


def _match(text: str) -> dict[str, object]:
    if text.lstrip().startswith("{"):
        try:
            found = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"--match is not JSON: {error}") from error
        return dict(found)
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError("--match must be name=value, or a JSON object")
    return {name.strip(): value.strip()}
