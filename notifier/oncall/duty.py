"""Who is on call: in the past as it was recorded, from now on by the settings and overrides."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from notifier.judge.oncall.rota import FAR, Duty, Shift, Why, person_at, shifts, who
from notifier.judge.oncall.rotation import Rotation
from notifier.models import Handover
from notifier.oncall.overrides import in_force


def person_now(rotation: Rotation, now: datetime) -> str | None:
    """Who is on call now: their key in PEOPLE, or None for nobody."""
    return person_at(rotation, in_force(rotation.name, now), now)


def duty_at(rotation: Rotation, at: datetime) -> Duty:
    """Who is on call at a time, past or to come, and why. Raises ValueError as rota.who does."""
    handed_over = Handover.objects.filter(rotation=rotation.name).order_by("at")
    row, after = handed_over.filter(at__lte=at).last(), handed_over.filter(at__gt=at).first()
    if row and after:
        return Duty(row.person or None, row.at, after.at, Why(row.why), row.layer, override=row.override_id)
    return who(rotation, in_force(rotation.name, at - FAR), at)


def shifts_between(rotation: Rotation, start: datetime, end: datetime, now: datetime) -> list[Shift]:
    """Everything between two times, gaps too, each beginning where the one before it ends. Raises as rota.who does."""
    overrides = in_force(rotation.name, start)
    past = recorded(rotation.name, start, min(end, now))
    if not past:
        return shifts(rotation, overrides, start, end)
    before, after = shifts(rotation, overrides, start, past[0].start), shifts(rotation, overrides, past[-1].end, end)
    return [*before, *_joined(past, after)]


def _joined(past: list[Shift], after: list[Shift]) -> list[Shift]:
    """Past and future shifts as one list: the shift of this moment, which is in both, becomes one."""
    if not after or _of(past[-1]) != _of(after[0]):
        return [*past, *after]
    return [*past[:-1], replace(past[-1], end=after[0].end), *after[1:]]


def _of(shift: Shift) -> tuple[object, ...]:
    return shift.person, shift.override, shift.layer


def recorded(rotation: str, start: datetime, end: datetime) -> list[Shift]:
    """The recorded shifts of a past time; there are none before the first record."""
    rows = Handover.objects.filter(rotation=rotation, at__lt=end).order_by("at")
    first = rows.filter(at__lte=start).last()
    found = [*([first] if first else []), *rows.filter(at__gt=start)]
    ends = [*(row.at for row in found[1:]), *([end] if found else [])]
    return [
        Shift(row.person or None, max(row.at, start), until, Why(row.why), row.layer, row.override_id)
        for row, until in zip(found, ends, strict=True)
    ]
