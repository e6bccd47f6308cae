"""`manage.py send_test`: does a message arrive? A target that was set aside comes back when it does."""

from __future__ import annotations

import secrets
import time
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.urls import reverse

from alerts_runtime.leasing import clock
from alerts_runtime.management.command import seconds
from alerts_runtime.management.database import DatabaseCommand
from alerts_runtime.redaction import masking
from notifier.answers import slack_signed
from notifier.delivery import probe
from notifier.flow import heard
from notifier.messages.wording import counted
from notifier.oncall.present import policy_now


class Command(DatabaseCommand):
    help = "Send a test message to each address of the channels, now, and say what became of it."
    examples = (
        "",
        "slack oncall",
        "slack --buttons",
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("channels", nargs="*", help="aliases in NOTIFIER['CHANNELS']; default: all")
        parser.add_argument(
            "--buttons", action="store_true", help="Slack: send a button, and wait until somebody presses it"
        )
        parser.add_argument("--wait", type=seconds, default=60.0, help="seconds to wait for that; default: 60")

    def handle(self, **options: Any) -> None:
        policy = policy_now(clock.now())
        unknown = set(options["channels"]) - set(policy.channels)
        if unknown:
            raise CommandError(
                f"No channel is called {', '.join(sorted(unknown))}. There are {', '.join(policy.channels)}."
            )
        if options["buttons"]:
            self._check_way_back()
        failed, number = 0, secrets.randbelow(900_000) + 100_000 if options["buttons"] else 0
        for alias in options["channels"] or policy.channels:
            channel = policy.channels[alias]
            if not channel.targets:
                self.stdout.write(f"{alias}: no address (NOTIFIER['CHANNELS'][{alias!r}]['TO'] is empty)")
            for target in channel.targets:
                outcome = probe.send_test(
                    channel, target, policy.tz, getattr(settings, "SITE_URL", ""), answered_by=number
                )
                failed += not outcome.delivered
                self.stdout.write(f"{masking.named(alias, target.address)}: {outcome.text}")
        if failed:
            raise CommandError(f"{counted(failed, 'test message')} did not arrive.", returncode=1)
        if number:
            self._wait_for_press(number, options["wait"])

    def _check_way_back(self) -> None:
        if not slack_signed.is_enabled():
            raise CommandError(
                "Buttons cannot be answered here: set SLACK_SIGNING_SECRET, or SLACK_APP_TOKEN for Socket Mode."
            )

    def _wait_for_press(self, number: int, seconds: float) -> None:
        self.stdout.write(f'Press "It arrived" in Slack; this waits for {seconds:g} s.')
        end = time.monotonic() + seconds
        while not (said := heard.answer_to(number)) and time.monotonic() < end:
            time.sleep(0.2)
        if said:
            self.stdout.write(said)
        elif heard.waits(number):
            raise CommandError("The press arrived here, but no worker has done it: run `manage.py worker`.")
        else:
            raise CommandError(
                f"No press arrived here. In the Slack app, switch interactivity on with the URL {_address()} (or run "
                "`manage.py slackbot`), and compare its signing secret with SLACK_SIGNING_SECRET."
            )


def _address() -> str:
    site = str(getattr(settings, "SITE_URL", "")) or "https://YOUR-SITE"
    return site.rstrip("/") + reverse("notifier:slack")
