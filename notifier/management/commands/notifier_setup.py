"""`manage.py notifier_setup`: what this site has still to write, as lines that can be copied."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from django.conf import settings

from alerts_runtime.management.command import PlainCommand
from notifier.config.first_steps import Step, missing


class Command(PlainCommand):
    help = "Print the lines that are missing in this site's settings and urls, and what to run. Changes nothing."
    examples = ("",)
    requires_system_checks: list[str] = []

    def handle(self, **options: Any) -> None:
        steps = missing()
        for where, group in groupby(steps, lambda step: step.where):
            self.stdout.write(f"\n{_file(where)}")
            for step in group:
                self._write(step)
        if not steps:
            self.stdout.write("Nothing is missing.")
        self.stdout.write("\nmanage.py check says what is wrong in what is there; manage.py send_test tries a channel.")

    def _write(self, step: Step) -> None:
        self.stdout.write(f"    # {step.why}")
        for line in step.lines:
            self.stdout.write(f"    {line}")


def _file(where: str) -> str:
    modules = {"settings": settings.SETTINGS_MODULE, "urls": settings.ROOT_URLCONF}
    return f"{modules[where]}:" if where else "Then run:"
