"""`manage.py ack`: somebody has it."""

from __future__ import annotations

import getpass
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from notifier.config.conf import get_policy
from notifier.flow import pipeline
from notifier.judge.durations import parse_duration
from notifier.models import Alert


class Command(BaseCommand):
    help = "Acknowledge an alert: updates and reminders wait until it runs out. Worse news still comes."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("alert", type=int)
        parser.add_argument("--for", dest="lasting", help="how long, e.g. 2h; default: ACKNOWLEDGE_FOR")
        parser.add_argument("--by", default=None, help="who; default: the user of this machine")
        parser.add_argument("--resolve", action="store_true", help="it is over: end the alert instead")

    def handle(self, **options: Any) -> None:
        alert = Alert.objects.filter(pk=options["alert"]).first()
        if alert is None or alert.resolved_at is not None:
            raise CommandError(f"alert {options['alert']} is not open")
        now, by = timezone.now(), options["by"] or getpass.getuser()
        if options["resolve"]:
            pipeline.resolve(alert, f"by {by}", now)
            self.stdout.write(f"alert {alert.pk} resolved")
            return
        try:
            lasting = parse_duration(options["lasting"]) if options["lasting"] else get_policy().acknowledge_for
        except ValueError as error:
            raise CommandError(str(error)) from error
        pipeline.acknowledge(alert, by, now, now + lasting)
        self.stdout.write(f"alert {alert.pk} acknowledged until {timezone.localtime(now + lasting):%Y-%m-%d %H:%M %Z}")
