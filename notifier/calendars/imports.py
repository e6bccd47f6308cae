"""The only writer of ImportedCalendar. Calendars are read every EVERY; what was read last is used until the next."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from time import monotonic

from alerts_runtime.isolation.parts import on_its_own
from alerts_runtime.leasing import clock
from alerts_runtime.redaction.loggers import get_logger
from notifier import api
from notifier.calendars.fetching import MOST_BYTES, fetch
from notifier.calendars.reading import read, window
from notifier.config.conf import get_policy
from notifier.facts import storable
from notifier.judge.durations import human
from notifier.judge.oncall.rotation import Rotation
from notifier.judge.policy import Policy
from notifier.models import ImportedCalendar

log = get_logger(__name__)

EVERY = timedelta(minutes=15)
STALE = timedelta(hours=6)  # when nothing could be read for so long, it is an alert
SOURCE = "calendar."
NOT_BY_ITSELF = timedelta(days=366)  # the alert ends when the calendar is read, not by time
LOOK = 30.0  # seconds between two looks whether any is due


class Reader:
    """A worker's loop. It has a thread of its own: a calendar that hangs delays nothing else."""

    def __init__(self) -> None:
        self._next = 0.0

    def step(self) -> float:
        """One round; seconds until the next. Raises when the database is away."""
        if monotonic() >= self._next:
            self._next = monotonic() + LOOK
            refresh(get_policy(), clock.now())
        return LOOK


def refresh(policy: Policy, now: datetime) -> None:
    """Read again what is due, by any number of workers."""
    for rotation in policy.rotations.values():
        if rotation.ics:
            on_its_own("read a calendar", partial(_refresh, rotation, policy, now), key=rotation.name)


def _refresh(rotation: Rotation, policy: Policy, now: datetime) -> None:
    source = hashlib.sha256(rotation.ics.encode()).hexdigest()
    row, created = ImportedCalendar.objects.get_or_create(
        rotation=rotation.name, defaults={"source": source, "tried_at": now}
    )
    if row.source != source:
        forget: dict[str, object] = {"source": source, "shifts": [], "unknown": [], "read_at": None}
        ImportedCalendar.objects.filter(pk=row.pk).update(**forget)
        row.read_at = None
    elif not created and now - row.tried_at < EVERY:
        return
    mine = ImportedCalendar.objects.filter(pk=row.pk, tried_at=row.tried_at)
    if not created and not mine.update(tried_at=now):
        return  # another worker reads it
    try:
        found = read(_text(rotation), rotation.tz, policy.people.values(), *window(now))
    except ValueError as error:
        log.warning("calendar.not_read", rotation=rotation.name, reason=str(error))
        ImportedCalendar.objects.filter(pk=row.pk).update(error=storable(str(error), 300))
        since = row.read_at
        if since is None or now - since >= STALE:
            _tell(rotation, f"cannot be read: {error}", f"since {since:%Y-%m-%d %H:%M} UTC" if since else "yet", now)
        return
    shifts = [[start.isoformat(), end.isoformat(), person] for start, end, person in found.shifts]
    ImportedCalendar.objects.filter(pk=row.pk).update(
        shifts=shifts, unknown=[storable(one, 100) for one in found.unknown], read_at=now, error=""
    )
    if found.unknown:
        _tell(rotation, f"names {len(found.unknown)} whom PEOPLE does not: {', '.join(found.unknown[:3])}", "", now)
    else:
        api.resolve(f"{SOURCE}{rotation.name}", "it was read", now)


def _text(rotation: Rotation) -> bytes:
    if "://" in rotation.ics:
        return fetch(rotation.ics, allow_private=rotation.allow_private)
    try:
        with Path(rotation.ics).open("rb") as file:
            return file.read(MOST_BYTES)
    except OSError as error:
        raise ValueError(f"its file cannot be read ({type(error).__name__})") from error


def _tell(rotation: Rotation, what: str, since: str, now: datetime) -> None:
    kept = f"Nothing has been read of it {since}. " if since else ""
    api.alert(
        f"The calendar of {rotation.name} {what}"[:150],
        key=f"{SOURCE}{rotation.name}",
        severity="warning",
        category="configuration",
        hint=f"{kept}Who is on call is taken from it as it was read last. It is tried again every {human(EVERY)}. "
        "People are known by an address in the event, or by their name in its title.",
        resolve_after=NOT_BY_ITSELF,
        once=f"{what} {now:%Y%m%d}",
        now=now,
    )
