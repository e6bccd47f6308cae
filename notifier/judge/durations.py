"""Durations as people write and read them. Pure."""

from __future__ import annotations

import re
from datetime import timedelta

_UNITS = {
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
}
_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", re.ASCII)
LONGEST = timedelta(days=36_500)  # a century: dates end soon after, and nobody waits for so long
_EXAMPLE = 'write numbers with their units, largest first, such as "5m", "1h30m" or "2d"'


def parse_duration(text: str) -> timedelta:
    """The duration that a text such as "5m", "1h30m", "2d" or "90s" stands for.

    The units are d, h, m and s. Raises ValueError, whose text can be shown and does not repeat what was
    given.
    """
    given = text.strip()
    if not given:
        raise ValueError(f"the duration is empty: {_EXAMPLE}")
    if given.isdecimal():
        raise ValueError(f"the duration has no unit (d, h, m or s): {_EXAMPLE}")
    if given.startswith("-"):
        raise ValueError(f"a duration cannot be negative: {_EXAMPLE}")
    found = _DURATION.fullmatch(given)
    if not found:
        raise ValueError(f"not a duration: {_EXAMPLE}")
    try:
        amounts = (int(digits or 0) for digits in found.groups())
        duration = sum((n * unit for n, unit in zip(amounts, _UNITS.values(), strict=True)), timedelta(0))
    except (OverflowError, ValueError):  # int() refuses thousands of digits with a ValueError of its own
        duration = timedelta.max
    return check_length(duration)


def check_length(duration: timedelta) -> timedelta:
    """The same duration. Raises ValueError, with what to write, when no date could be reckoned with it."""
    if duration < timedelta(0):
        raise ValueError(f"a duration cannot be negative: {_EXAMPLE}")
    if duration > LONGEST:
        raise ValueError(f"the duration is too long: {_EXAMPLE}, at most {LONGEST.days}d")
    return duration


def human(duration: timedelta) -> str:
    """A duration for people, in at most two units: "45 s", "17 min", "2 h 5 min", "3 days".

    It is rounded to seconds below ten minutes, to minutes below a day and to hours from there on. A negative
    duration, which only a clock that was set back can give, reads "0 s".
    """
    seconds = max(duration.total_seconds(), 0)
    step = 1 if seconds < 600 else 60 if seconds < 86400 else 3600
    seconds = round(seconds / step) * step
    minutes, s = divmod(seconds, 60)
    hours, m = divmod(minutes, 60)
    days, h = divmod(hours, 24)
    parts = [(days, "day" if days == 1 else "days"), (h, "h"), (m, "min"), (s, "s")]
    return " ".join(f"{n} {unit}" for n, unit in parts if n) or "0 s"
