"""The failures over a period, compared with the periods before."""

from __future__ import annotations

from bisect import bisect_right
from datetime import UTC, datetime, timedelta
from statistics import median_low
from zoneinfo import ZoneInfo

from dateutil.relativedelta import relativedelta
from django.db.models import CharField, Count
from django.db.models.functions import Cast, Substr

from notifier.judge.calendar import Every
from notifier.messages.digest_data import Trend
from notifier.models import Occurrence

EARLIER = 7  # periods
MINUTE = len("2026-11-21 14:03")
STEPS = {
    "hour": ("5 minutes", timedelta(minutes=5)),
    "day": ("hour", timedelta(hours=1)),
    "week": ("day", timedelta(days=1)),
    "month": ("day", timedelta(days=1)),
}


def trend(end: datetime, every: Every, tz: str) -> Trend:
    """The trend of the period that ends at `end`, with the EARLIER before it. Parts are in local time, 24 for a day."""
    zone = ZoneInfo(tz)
    starts = [_earlier(end, number, every, zone) for number in range(EARLIER + 1, 0, -1)]
    unit, step = STEPS[every]
    wall = [_wall(moment, every, zone) for moment in (*starts, end)]
    number_of_parts = round((wall[-1] - wall[-2]) / step)
    counts = [[0] * number_of_parts for _ in starts]
    for minute, number in _by_minute(starts[0], end):
        period = max(bisect_right(starts, minute) - 1, 0)
        part = (_wall(minute, every, zone) - wall[period]) // step
        counts[period][min(max(part, 0), number_of_parts - 1)] += number  # months differ in their number of days
    return Trend(
        period=every,
        unit=unit,
        labels=tuple(_label(starts[-1], number * step, every, zone) for number in range(number_of_parts)),
        now=tuple(counts[-1]),
        before=tuple(counts[-2]),
        usual=tuple(median_low(part) for part in zip(*counts[:-1], strict=True)),
        usual_sum=median_low(sum(parts) for parts in counts[:-1]),
        periods=EARLIER,
    )


def _by_minute(start: datetime, end: datetime) -> list[tuple[datetime, int]]:
    """Failures per minute. Times are cut as text, as Trunc calls Python for each row on SQLite."""
    rows = (
        Occurrence.objects.filter(occurred_at__gte=start, occurred_at__lt=end)
        .values(minute=Substr(Cast("occurred_at", CharField()), 1, MINUTE))
        .annotate(number=Count("pk"))
        .order_by()
    )
    return [(datetime.fromisoformat(row["minute"]).replace(tzinfo=UTC), row["number"]) for row in rows]


def _earlier(end: datetime, number: int, every: Every, zone: ZoneInfo) -> datetime:
    if every == "hour":
        return end - timedelta(hours=number)
    back = relativedelta(
        days=number if every == "day" else 0,
        weeks=number if every == "week" else 0,
        months=number if every == "month" else 0,
    )
    return (end.astimezone(zone).replace(tzinfo=None) - back).replace(tzinfo=zone).astimezone(UTC)


def _wall(moment: datetime, every: Every, zone: ZoneInfo) -> datetime:
    """The local time, for parts of a day or longer; UTC for the parts of an hour."""
    return moment.astimezone(UTC if every == "hour" else zone).replace(tzinfo=None)


def _label(start: datetime, after: timedelta, every: Every, zone: ZoneInfo) -> str:
    if every == "hour":
        return f"{(start + after).astimezone(zone):%H:%M}"
    moment = start.astimezone(zone).replace(tzinfo=None) + after
    return f"{moment:%H:%M}" if every == "day" else f"{moment.day} {moment:%b}"
