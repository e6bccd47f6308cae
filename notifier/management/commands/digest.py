"""`manage.py digest`: send a digest now, up to this moment."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import CommandError

from alerts_runtime.leasing import clock
from alerts_runtime.management.database import DatabaseCommand
from alerts_runtime.wakeups.wake import wake
from notifier.oncall.present import policy_now
from notifier.outbox import digests


class Command(DatabaseCommand):
    help = "Let the worker send a digest of the time since the last one, without waiting for its hour."
    examples = ("daily",)

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", nargs="?", help="a name in NOTIFIER['DIGESTS']; default: the only one")

    def handle(self, **options: Any) -> None:
        now = clock.now()
        policy = policy_now(now)
        plans = {plan.name: plan for plan in policy.digests}
        name = options["name"] or (next(iter(plans)) if len(plans) == 1 else None)
        if name not in plans:
            raise CommandError(f"Name one of NOTIFIER['DIGESTS']: {', '.join(plans) or 'there is none'}.")
        for alias in plans[name].to:
            for target in policy.channels[alias].targets:
                digests.digest_now(name, target, now - timedelta(days=1), now)
                self.stdout.write(f"{name}: due now for {alias}")
            wake(f"deliver-{alias}")
