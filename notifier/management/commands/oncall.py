"""`manage.py oncall`: who is on call, and why; who comes next; what other settings would change."""

from __future__ import annotations

import importlib
import runpy
from argparse import ArgumentParser
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.core.management.base import CommandError

from alerts_runtime.leasing import clock
from alerts_runtime.management.command import whole
from alerts_runtime.management.database import DatabaseCommand
from notifier.config.conf import get_policy, parse
from notifier.config.problems import nearest
from notifier.judge.oncall.compare import changes, shares
from notifier.judge.oncall.rota import shifts
from notifier.judge.oncall.rotation import Rotation
from notifier.judge.oncall.when import parse_when
from notifier.judge.policy import Policy
from notifier.messages.oncall import change_line, fairness, on_call, shift_line
from notifier.messages.wording import sentence
from notifier.oncall.duty import duty_at, shifts_between
from notifier.oncall.overrides import in_force

MOST_WEEKS = 520


class Command(DatabaseCommand):
    help = "Who is on call, and why. Times are shown in the rotation's own zone."
    examples = (
        "",
        'payments --at "2026-12-24 20:00"',
        "--weeks 4",
        "--diff old_settings.py --weeks 12",
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("rotations", nargs="*", help="names in NOTIFIER['ONCALL']; default: all")
        parser.add_argument("--at", default="now", help='when: "2026-12-24 20:00", "20:00" or with an offset')
        parser.add_argument(
            "--weeks",
            type=whole(1, MOST_WEEKS),
            help="list the shifts and gaps of so many weeks, and how fair they are",
        )
        parser.add_argument(
            "--diff", metavar="OLD_SETTINGS", help="what changes against these: a settings file, or a module's name"
        )

    def handle(self, **options: Any) -> None:
        policy, now = get_policy(), clock.now()
        weeks = options["weeks"]
        if options["diff"]:
            self._diff(_chosen(policy, ()), old_policy(options["diff"]), policy, timedelta(weeks=weeks or 4), now)
            return
        try:
            for rotation in _chosen(policy, options["rotations"]):
                self._show(rotation, policy, parse_when(options["at"], rotation.tz, now), weeks, now)
        except ValueError as error:
            raise CommandError(f"--at: {sentence(error)}") from None

    def _show(self, rotation: Rotation, policy: Policy, at: datetime, weeks: int | None, now: datetime) -> None:
        if weeks is None:
            self.stdout.write(on_call(rotation.name, duty_at(rotation, at), policy.people, now, rotation.tz))
            return
        found = shifts_between(rotation, at, at + timedelta(weeks=weeks), now)
        self.stdout.write(f"{rotation.name} ({rotation.tz})")
        for shift in found:
            self.stdout.write(f"  {shift_line(shift, policy.people, now, rotation.tz)}")
        nobody = sum((shift.lasting for shift in found if shift.person is None), timedelta())
        self.stdout.write(f"  shares: {fairness(shares(found, rotation.people, rotation.tz), policy.people)}")
        if nobody:
            self.stdout.write(self.style.WARNING(f"  nobody is on call for {nobody / timedelta(hours=1):,.1f} h of it"))

    def _diff(self, rotations: Iterable[Rotation], old: Policy, new: Policy, lasting: timedelta, now: datetime) -> None:
        for rotation in rotations:
            before = old.rotations.get(rotation.name)
            if before is None:
                self.stdout.write(f"{rotation.name}: new")
                continue
            overrides = in_force(rotation.name, now)
            was, will = (shifts(one, overrides, now, now + lasting) for one in (before, rotation))
            found = changes(was, will)
            self.stdout.write(f"{rotation.name} ({rotation.tz}): " + ("" if found else "nothing changes"))
            for change in found:
                self.stdout.write(f"  {change_line(change, {**old.people, **new.people}, now, rotation.tz)}")
        for name in old.rotations.keys() - new.rotations.keys():
            self.stdout.write(f"{name}: gone")


def _chosen(policy: Policy, names: Iterable[str]) -> list[Rotation]:
    if not policy.rotations:
        raise CommandError('NOTIFIER["ONCALL"] has no rotation: see docs/oncall.md.')
    for name in names:
        if name not in policy.rotations:
            raise CommandError(f'There is no rotation "{name}". {nearest(name, policy.rotations)}')
    return [policy.rotations[name] for name in names] or list(policy.rotations.values())


def old_policy(name: str) -> Policy:
    """The policy of a settings file or module, which is run. Raises CommandError when it has none that can be used."""
    try:
        found = runpy.run_path(name) if name.endswith(".py") else vars(importlib.import_module(name))
    except Exception as error:
        raise CommandError(f"The old settings cannot be read: {type(error).__name__}: {error}") from error
    policy, problems = parse(found.get("NOTIFIER", {}), found.get, twins=True, tz=str(found.get("TIME_ZONE", "UTC")))
    if policy is None:
        raise CommandError("The old settings cannot be used:\n" + "\n".join(f"- {problem}" for problem in problems))
    return policy
