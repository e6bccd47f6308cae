"""Finds overrides that may be out of date, because the settings have changed since they were made."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from notifier.config.problems import STRANDED, Problem
from notifier.judge.oncall.rota import shifts
from notifier.judge.policy import Policy
from notifier.models import Override
from notifier.oncall import overrides


def problems(policy: Policy, now: datetime) -> Iterator[Problem]:
    """One for each that names somebody who is gone, or takes over from somebody who has no shift in it any more."""
    gone = {row.pk for row in overrides.of_unknown(policy.people, now)}
    for row in Override.objects.filter(ends_at__gt=now, undone_at__isnull=True).order_by("pk"):
        rotation = policy.rotations.get(row.rotation)
        if row.pk in gone:
            text = f'"{row.person}" is not in NOTIFIER["PEOPLE"], so it wakes no one'
        elif rotation is None:
            text = f'"{row.rotation}" is not in NOTIFIER["ONCALL"], so it changes nothing'
        elif row.instead_of and row.instead_of not in _on_call_without(row, policy, now):
            text = f'it takes over from "{row.instead_of}", who has no shift in that time any more'
        else:
            continue
        hint = f"If it is not meant any more: manage.py override --undo {row.pk}."
        yield Problem(f"Override {row.pk}", text, hint, level="warning", id=STRANDED)


def _on_call_without(row: Override, policy: Policy, now: datetime) -> set[str | None]:
    start = max(row.starts_at, now)
    others = [one for one in overrides.in_force(row.rotation, start) if one.id != row.pk]
    return {shift.person for shift in shifts(policy.rotations[row.rotation], others, start, row.ends_at)}
