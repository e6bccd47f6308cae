"""The only writer of Override: somebody takes a rotation over for a time, and it can be undone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from alerts_runtime.database.retention import delete_some
from notifier.facts import storable
from notifier.judge.oncall.people import Person
from notifier.judge.oncall.rota import person_at
from notifier.judge.oncall.rotation import Override as Period
from notifier.judge.oncall.rotation import Rotation
from notifier.models import ImportedCalendar, Override

LONGEST = timedelta(days=366)


def take(
    rotation: Rotation,
    person: Person,
    *,
    start: datetime,
    end: datetime,
    author: str,
    now: datetime,
) -> Override:
    """Let a person take a rotation over, start <= t < end; returns the row. Nobody is asked for consent.

    Times are aware. A start before now becomes now. Raises ValueError, in a sentence for people, for a period that ends
    in the past, or before it begins, or is longer than LONGEST.
    """
    if wrong := mistakes(start, end, now):
        raise ValueError(" ".join(wrong.values()))
    start = max(start, now)
    row = Override.objects.create(
        rotation=rotation.name,
        person=person.key,
        instead_of=person_at(rotation, in_force(rotation.name, start), start) or "",
        starts_at=start,
        ends_at=end,
        author=storable(author, 150),
        created_at=now,
    )
    row.refresh_from_db()
    return row


def mistakes(start: datetime | None, end: datetime | None, now: datetime) -> dict[str, str]:
    """What is wrong with a period, by the name of its field, each in a sentence. A time that is None is not judged."""
    if any(at is not None and at.tzinfo is None for at in (start, end)):
        return {"ends_at": "An override's times need a time zone."}
    if end and end <= now:
        return {"ends_at": "This ends in the past, so it would change nothing: write a later end."}
    if start and end and end <= start:
        return {"ends_at": "An override must end later than it begins."}
    if start and end and end - max(start, now) > LONGEST:
        return {"ends_at": "An override may last a year at most: change the settings for longer."}
    return {}


def undo(row: Override, by: str, now: datetime) -> Override:
    """End an override now. Raises ValueError, in a sentence for people, when it is over or was undone already."""
    changed = Override.objects.filter(pk=row.pk, undone_at__isnull=True, ends_at__gt=now).update(
        undone_at=now, undone_by=storable(by, 150), announced=False
    )
    row.refresh_from_db()
    if not changed:
        raise ValueError(
            f"Override {row.pk} was undone by {row.undone_by} already."
            if row.undone_at
            else f"Override {row.pk} is over: nothing of it is left to undo."
        )
    return row


def in_force(rotation: str, since: datetime) -> list[Period]:
    """The rotation's overrides that count at some time after `since`, and the events of its calendar, if it has one."""
    rows = Override.objects.filter(rotation=rotation, ends_at__gt=since).order_by("pk")
    return [*_imported(rotation, since), *(found for row in rows if (found := _period(row)) is not None)]


def _imported(rotation: str, since: datetime) -> list[Period]:
    """The events of a rotation's calendar as periods.

    Ids are below 0, so that every override counts before them; of two events the one that begins later has the higher.
    """
    row = ImportedCalendar.objects.filter(rotation=rotation).only("shifts").first()
    found = sorted((start, end, person) for start, end, person in row.shifts) if row else []
    periods = (
        Period(number - len(found), rotation, person, datetime.fromisoformat(start), datetime.fromisoformat(end))
        for number, (start, end, person) in enumerate(found)
    )
    return [period for period in periods if period.end > since]


def _period(row: Override) -> Period | None:
    end = min(row.ends_at, row.undone_at) if row.undone_at else row.ends_at
    return Period(row.pk, row.rotation, row.person, row.starts_at, end) if row.starts_at < end else None


def unannounced(now: datetime) -> list[Override]:
    """Overrides of which people are still to be told, that they were made or undone. Not those that are over."""
    return list(Override.objects.filter(announced=False, ends_at__gt=now).order_by("pk")[:100])


def announced(row: Override) -> bool:
    """Mark it as told; False when another worker has, or it has been undone since it was read."""
    same = Override.objects.filter(pk=row.pk, announced=False, undone_at=row.undone_at)
    return bool(same.update(announced=True))


def of_unknown(people: Mapping[str, Person], now: datetime) -> list[Override]:
    """Overrides of now or later whose person is not in PEOPLE any more: they would wake no one."""
    rows = Override.objects.filter(ends_at__gt=now, undone_at__isnull=True).order_by("pk")
    return [row for row in rows if row.person not in people]


def prune(before: datetime) -> int:
    """Delete a batch of overrides that ended before then; returns how many."""
    return delete_some(Override.objects.filter(ends_at__lt=before))
