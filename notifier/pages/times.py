"""Times as addresses and forms write them."""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone
from django.utils.dateparse import parse_datetime


def moment(text: str) -> datetime | None:
    """A time with its zone, or in the viewer's; None for what is no time."""
    try:
        found = parse_datetime(text.replace(" ", "+") if "T" in text else text)
    except ValueError:
        return None
    if found is None:
        return None
    try:
        aware = found if found.tzinfo else timezone.make_aware(found)
        aware.astimezone(timezone.get_default_timezone())
    except (OverflowError, ValueError):  # a date out of range
        return None
    return aware
