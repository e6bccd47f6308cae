"""`manage.py send_test`: does a message arrive? A target that was set aside comes back when it does."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.utils import timezone

from alerts_runtime.management.database import DatabaseCommand
from alerts_runtime.redaction import masking
from notifier.delivery import probe
from notifier.oncall.present import policy_now


class Command(DatabaseCommand):
    help = "Send a test message to each address of the channels, now, and say what became of it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("channels", nargs="*", help="aliases in NOTIFIER['CHANNELS']; default: all")

    def handle(self, **options: Any) -> None:
        policy = policy_now(timezone.now())
        unknown = set(options["channels"]) - set(policy.channels)
        if unknown:
            raise CommandError(
                f"no channel is called {', '.join(sorted(unknown))}; there are {', '.join(policy.channels)}"
            )
        failed = 0
        for alias in options["channels"] or policy.channels:
            channel = policy.channels[alias]
            if not channel.targets:
                self.stdout.write(f"{alias}: no address (NOTIFIER['CHANNELS'][{alias!r}]['TO'] is empty)")
            for target in channel.targets:
                outcome = probe.send_test(channel, target, policy.tz, site=getattr(settings, "SITE_URL", ""))
                failed += not outcome.delivered
                self.stdout.write(f"{masking.named(alias, target.address)}: {outcome.text}")
        if failed:
            raise CommandError(f"{failed} test message(s) did not arrive", returncode=1)
