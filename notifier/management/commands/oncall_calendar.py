"""`manage.py oncall_calendar`: the secret addresses of a rotation's calendars, and new ones."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError

from alerts_runtime.leasing import clock
from alerts_runtime.management.database import DatabaseCommand
from notifier.config.conf import get_policy
from notifier.config.problems import nearest
from notifier.feeds import links


class Command(DatabaseCommand):
    help = "Addresses to subscribe to: everybody's shifts, and each person's own. Whoever knows one may read it."
    examples = (
        "payments",
        "payments bob",
        "payments --renew",
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("rotation", help="its name in NOTIFIER['ONCALL']")
        parser.add_argument("person", nargs="?", default=None, help="whose; default: everybody's and each person's")
        parser.add_argument(
            "--renew", action="store_true", help="make new addresses; those given out before stop working"
        )

    def handle(self, **options: Any) -> None:
        policy, name, person = get_policy(), options["rotation"], options["person"]
        if name not in policy.rotations:
            raise CommandError(f"There is no such rotation. {nearest(name, policy.rotations)}")
        if person is not None and person not in policy.people:
            raise CommandError(f"There is no such person. {nearest(person, policy.people)}")
        for whose in [person] if person is not None else ["", *policy.rotations[name].people]:
            if options["renew"]:
                links.renew(name, whose, clock.now())
            site = str(getattr(settings, "SITE_URL", "")).rstrip("/")
            self.stdout.write(f"{whose or 'all'}: {site}{links.path_of(name, whose)}")
