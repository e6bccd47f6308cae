"""Reads times as people write them for overrides. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from notifier.judge.calendar import parse_at, zone

_CLOCK = re.compile(r"\d{1,2}:\d{2}", re.ASCII)


def parse_when(text: str, tz: str, now: datetime) -> datetime:
    """The instant of "2026-01-05 18:00", "2026-01-05T18:00+01:00", "18:00" (the next one) or "now", in UTC.

    Without an offset it is a local time of the zone: one that is skipped is moved forward, of two the first is meant.
    Raises ValueError, whose text can be shown and does not repeat what was given.
    """
    text = text.strip()
    if text.lower() == "now":
        return now.astimezone(UTC)
    if _CLOCK.fullmatch(text):
        return _next(text, tz, now)
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=zone(tz))).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(
            'not a time: write such as "2026-01-05 18:00", "18:00" for the next one, or add an offset, "+01:00"'
        ) from None


def _next(text: str, tz: str, now: datetime) -> datetime:
    at, local = parse_at(text), zone(tz)
    today = now.astimezone(local).date()
    days = [datetime.combine(today + timedelta(days=days), at, local).astimezone(UTC) for days in range(3)]
    return next(day for day in days if day > now)
