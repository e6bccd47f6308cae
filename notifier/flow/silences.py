"""The only writer of Silence. A silence holds what it matches; it ends by itself and what it held is then told."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from functools import cache

from django.db import connection, transaction
from django.db.models import Max

from alerts_runtime.database.fast_sql import columns, select
from alerts_runtime.database.retention import delete_some
from notifier.config.conf import parse_match
from notifier.facts import HeldBy
from notifier.judge.guards import Silenced
from notifier.judge.match import Matcher
from notifier.models import Notification, Silence
from notifier.outbox import holding

LONGEST = timedelta(days=36_525)  # later times overflow where they are shown


def silence(
    match: Mapping[str, object],
    *,
    until: datetime,
    author: str,
    comment: str,
    now: datetime,
    start: datetime | None = None,
) -> Silence:
    """Begin a silence: messages about alerts that it matches wait until it ends.

    Arguments:
        match: which alerts, written as "match" in ROUTES: {"event": "invoice.*"}.
        until: when it ends, an aware datetime.
        author: who begins it, in words that people read.
        comment: why.
        now: the present, an aware datetime.
        start: when it begins, aware; left out, now.

    Returns its row. Raises ValueError, in a sentence for people, for a match or a time that cannot be used.
    """
    row = Silence(
        matcher=dict(match), starts_at=start or now, ends_at=until, author=author, comment=comment, created_at=now
    )
    write(row, now)
    return row


def write(row: Silence, now: datetime) -> int:
    """Store a silence that is new or was changed; how many messages that it held before are judged again.

    Raises ValueError, in a sentence, for a bad one.
    """
    if wrong := mistakes(row.matcher, row.starts_at, row.ends_at, now):
        raise ValueError(" ".join(wrong.values()))
    row.author, row.comment = _storable(row.author)[:150], _storable(row.comment)[:500]
    with transaction.atomic():
        row.save()
        return _release(row.pk, now)


def end(row: Silence, now: datetime) -> int:
    """End a silence now; how many held notifications are judged again."""
    with transaction.atomic():
        Silence.objects.filter(pk=row.pk, ends_at__gt=now).update(ends_at=now)
        return _release(row.pk, now)


def of_match(match: Mapping[str, object], now: datetime) -> list[Silence]:
    """The silences in force with exactly this match, the one that lasts longest first."""
    rows = Silence.objects.filter(starts_at__lte=now, ends_at__gt=now).order_by("-ends_at")
    return [row for row in rows if row.matcher == match]


def lock(now: datetime) -> None:
    """Lock the silences in force, before some are ended. Within the caller's transaction."""
    list(Silence.objects.select_for_update(of=("self",)).filter(ends_at__gt=now).order_by("pk").only("pk"))


def mistakes(match: object, starts_at: datetime | None, ends_at: datetime | None, now: datetime) -> dict[str, str]:
    """What is wrong with a silence: a sentence for each field, by its name. A time that is None is not checked."""
    found = {}
    if wrong := _wrong_match(match):
        found["matcher"] = wrong
    if any(at is not None and at.tzinfo is None for at in (starts_at, ends_at)):
        found["ends_at"] = "A silence's times need a time zone."
    elif starts_at and ends_at and ends_at <= max(starts_at, now):
        found["ends_at"] = "A silence must end later than it begins, and later than now."
    elif starts_at and ends_at and ends_at - max(starts_at, now) > LONGEST:
        found["ends_at"] = "A silence may last 100 years at most."
    return found


def _wrong_match(match: object) -> str:
    if not isinstance(match, Mapping) or not match:
        return 'A silence must say what it silences, e.g. {"event": "invoice.*"}.'
    if not _is_storable(match):
        return "A silence's match holds characters that cannot be stored."
    try:
        parse_match(match)
    except ValueError as error:
        return str(error)
    return ""


def _storable(text: str) -> str:
    return text.encode(errors="replace").decode().replace("\0", "")


def _is_storable(match: Mapping[str, object]) -> bool:
    """PostgreSQL stores neither NUL nor half of a surrogate pair."""
    try:
        text = json.dumps(match, ensure_ascii=False).encode()
    except (TypeError, ValueError, RecursionError):
        return False
    return rb"\u0000" not in text


def prune(before: datetime) -> int:
    """Delete a batch of the silences that ended before then; how many."""
    return delete_some(Silence.objects.filter(ends_at__lt=before))


def release_outdated(now: datetime) -> int:
    """Judge again what waits for a silence that was changed, ended or deleted since.

    Needed for a change at the very moment at which a message was judged, and for one made without this module.
    """
    held = Notification.objects.filter(held_by=HeldBy.SILENCE, due_at__gt=now, sending__isnull=True)
    latest = dict(held.values_list("held_ref").annotate(latest=Max("due_at")))
    ends = {str(pk): at for pk, at in Silence.objects.filter(ends_at__gt=now).values_list("pk", "ends_at")}
    outdated = [name for name, due_at in latest.items() if name not in ends or due_at > ends[name]]
    return sum(holding.release_held(HeldBy.SILENCE, now, ref=number) for number in outdated)


def in_force(now: datetime, *, lock: bool = False) -> tuple[Silenced, ...]:
    """The silences in force, for the guards. One that cannot be read silences nothing: see `unreadable`.

    With `lock` they cannot be changed before the transaction ends.
    """
    return tuple(
        Silenced(row.pk, matcher, row.starts_at, min(row.ends_at, now + LONGEST), row.comment)
        for row, matcher in _rows(now, lock=lock)
        if matcher is not None
    )


def unreadable(now: datetime) -> list[Silence]:
    """The silences whose time it is and whose match cannot be read."""
    return [row for row, matcher in _rows(now) if matcher is None]


def _rows(now: datetime, *, lock: bool = False) -> Iterator[tuple[Silence, Matcher | None]]:
    at = connection.ops.adapt_datetimefield_value(now)
    try:
        shared = " FOR SHARE" if lock and connection.vendor == "postgresql" else ""
        rows = [row for (row,) in select([Silence], _in_force() + shared, [at, at])]
    except ValueError:  # the match of some row is not JSON: read each row by itself
        rows = list(Silence.objects.filter(starts_at__lte=now, ends_at__gt=now).defer("matcher"))
    for row in rows:
        yield row, _matcher(row)


def _matcher(row: Silence) -> Matcher | None:
    try:
        return parse_match(row.matcher) if row.matcher else None
    except Exception:  # noqa: BLE001 - whatever stands in one row, it must stop no channel
        return None


def _release(number: int, now: datetime) -> int:
    return holding.release_held(HeldBy.SILENCE, now, ref=number)


@cache
def _in_force() -> str:
    return f"SELECT {columns(Silence)} FROM swa_notifier_silence WHERE starts_at <= %s AND ends_at > %s"  # noqa: S608 - the model's own names
