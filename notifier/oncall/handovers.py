"""The only writer of Handover: a row for each when it happens, so that later settings do not change the past."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from alerts_runtime.database.retention import delete_some
from alerts_runtime.isolation.parts import on_its_own
from alerts_runtime.redaction.loggers import get_logger
from notifier.judge.oncall.rota import Shift, shifts
from notifier.judge.oncall.rotation import Rotation
from notifier.judge.policy import Policy
from notifier.models import Handover
from notifier.oncall.overrides import in_force

log = get_logger(__name__)

LOOKED = timedelta(minutes=1)  # how often the time of the last look is stored: edited settings count from then on
NEWS = timedelta(hours=1)
TESTS = "handover."  # how the source of a test page begins; the handover's number follows
_INSTANT = timedelta(microseconds=1)


def record(policy: Policy, now: datetime) -> None:
    """Record the handovers since the last look. Any number of workers may call it at once."""
    for rotation in policy.rotations.values():
        on_its_own("write down handovers", partial(record_one, rotation, now), key=rotation.name)


def record_one(rotation: Rotation, now: datetime) -> list[Handover]:
    """`record` for one rotation; returns the rows that this call wrote."""
    last = Handover.objects.filter(rotation=rotation.name).order_by("-at").first()
    if last is not None and now <= last.seen_at:
        return []
    since = last.seen_at if last else now
    found = shifts(rotation, in_force(rotation.name, since), since, now + _INSTANT)
    rows = [_row(rotation, shift, now) for shift in (_new(found, last) if last else found)]
    if last is not None and (rows or now - last.seen_at >= LOOKED):
        Handover.objects.filter(pk=last.pk, seen_at__lt=now).update(seen_at=rows[0].at if rows else now)
    written = [row for row in rows if _write(row)]
    for row in written:
        log.info("oncall.handed_over", rotation=rotation.name, at=row.at, person=row.person or "nobody", reason=row.why)
    return written


def _new(found: list[Shift], last: Handover) -> Iterator[Shift]:
    """The shifts that began since the last look; and one from that look on when edited settings name somebody else."""
    first, *later = found
    if (first.person or "", first.override) != (last.person, last.override_id) or first.layer != last.layer:
        yield replace(first, start=max(first.start, last.at + _INSTANT))  # no two rows have one time
    yield from later


def _row(rotation: Rotation, shift: Shift, now: datetime) -> Handover:
    return Handover(
        rotation=rotation.name,
        at=shift.start,
        person=shift.person or "",
        why=shift.why,
        layer=shift.layer[:100],
        override_id=shift.override,
        seen_at=max(shift.start, min(shift.end, now)),
    )


def _write(row: Handover) -> bool:
    values = {name: getattr(row, name) for name in ("person", "why", "layer", "override_id", "seen_at")}
    _, written = Handover.objects.get_or_create(rotation=row.rotation, at=row.at, defaults=values)
    return written


def unannounced(now: datetime) -> list[Handover]:
    """The latest handover of each rotation of which the person on call has not been told yet."""
    rows = Handover.objects.filter(announced=False, at__gt=now - NEWS).order_by("at")
    return list({row.rotation: row for row in rows}.values())


def announced(row: Handover) -> bool:
    """Mark it as told, and those before it; False when another worker has."""
    told = Handover.objects.filter(pk=row.pk, announced=False).update(announced=True)
    Handover.objects.filter(rotation=row.rotation, at__lt=row.at, announced=False).update(announced=True)
    return bool(told)


def of_test(source: str) -> Handover | None:
    """The handover for which a test page was sent; None if the source is not one of a test page, or it was deleted."""
    number = source.removeprefix(TESTS)
    return Handover.objects.filter(pk=number).first() if number != source and number.isdecimal() else None


def before(row: Handover) -> Handover | None:
    """The handover before it."""
    return Handover.objects.filter(rotation=row.rotation, at__lt=row.at).order_by("at").last()


def prune(before: datetime) -> int:
    """Delete a batch of handovers from before then; returns how many."""
    return delete_some(Handover.objects.filter(seen_at__lt=before))
