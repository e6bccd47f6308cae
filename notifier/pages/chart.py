"""Failures over time: how many there were, and how many of them are recovered, as bars and as the table behind them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from django.core.cache import cache
from django.db.models import CharField, Count, Q
from django.db.models.functions import Cast, Substr

from notifier.facts import NEVER_AGAIN, Money
from notifier.models import Occurrence
from notifier.pages import money

HOUR = len("2026-11-21 14")
HIGH, WIDE, GAP = 60, 10, 2  # of a bar, in the drawing's own units
HOURS, DAYS = 24, 30
_RECOVERED = ~Q(recovered_how=NEVER_AGAIN)  # those given up for good are settled, not recovered
KEEP = 60  # seconds that the sums are kept: for a month they take long


@dataclass(frozen=True, slots=True)
class Bar:
    label: str
    recovered: int
    left: int  # not recovered
    x: int
    recovered_high: int
    left_high: int

    @property
    def total(self) -> int:
        return self.recovered + self.left

    @property
    def recovered_y(self) -> int:
        return HIGH - self.recovered_high

    @property
    def left_y(self) -> int:
        return HIGH - self.recovered_high - self.left_high


@dataclass(frozen=True, slots=True)
class Chart:
    name: str  # "hours" or "days"
    bars: tuple[Bar, ...]
    most: int
    at_risk: tuple[Money, ...]
    recovered_money: tuple[Money, ...]

    @property
    def width(self) -> int:
        return len(self.bars) * (WIDE + GAP) - GAP

    @property
    def axis(self) -> tuple[str, ...]:
        """The labels of its beginning, middle and end."""
        return tuple(self.bars[place].label for place in (0, len(self.bars) // 2, -1))

    @property
    def failures(self) -> int:
        return sum(bar.total for bar in self.bars)

    @property
    def recovered(self) -> int:
        return sum(bar.recovered for bar in self.bars)


def charts(now: datetime, zone: str) -> tuple[Chart, Chart]:
    """The last 24 hours by hour and the last 30 days by day, in local time. Money is that of live mode."""
    key = f"notifier.pages.charts.{zone}.{int(now.timestamp()) // KEEP}"
    found: tuple[Chart, Chart] | None = cache.get(key)
    if found is None:
        found = _charts(now, ZoneInfo(zone))
        cache.set(key, found, KEEP)
    return found


def _charts(now: datetime, tz: ZoneInfo) -> tuple[Chart, Chart]:
    this_hour = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    midnight = now.astimezone(tz).replace(hour=0, minute=0, second=0, microsecond=0)
    days = [midnight.date() - timedelta(days=back) for back in range(DAYS - 1, -1, -1)]
    hours = [this_hour - timedelta(hours=back) for back in range(HOURS - 1, -1, -1)]
    first_day = datetime(days[0].year, days[0].month, days[0].day, tzinfo=tz)
    by_hour = _by_hour(first_day)
    per_hour = [(f"{hour.astimezone(tz):%H:%M}", *by_hour.get(hour, (0, 0))) for hour in hours]
    total, recovered = Counter[object](), Counter[object]()
    for hour, (number, done) in by_hour.items():
        day = hour.astimezone(tz).date()
        total[day] += number
        recovered[day] += done
    per_day = [(f"{day.day} {day:%b}", total[day], recovered[day]) for day in days]
    sums = _money(first_day, hours[0])
    return (
        _chart("hours", per_hour, [one for one in sums if one.fresh]),
        _chart("days", per_day, sums),
    )


def _chart(name: str, rows: Sequence[tuple[str, int, int]], sums: Sequence[money.Sum]) -> Chart:
    most = max(number for _, number, _ in rows)
    bars = []
    for place, (label, number, done) in enumerate(rows):
        high, left_high = _height(done, most), _height(number - done, most)
        bars.append(Bar(label, done, number - done, place * (WIDE + GAP), high, left_high))
    waits, ended = [one for one in sums if one.waiting], [one for one in sums if not one.waiting]
    return Chart(name, tuple(bars), most, money.of(waits), money.of(ended))


def _height(number: int, most: int) -> int:
    """A height in proportion; what is not zero gets at least one unit."""
    return max(2, number * (HIGH - 2) // most) if number else 0


def _by_hour(start: datetime) -> dict[datetime, tuple[int, int]]:
    """Failures by hour. Times are cut as text, as Trunc calls Python for each row on SQLite."""
    rows = (
        Occurrence.objects.filter(occurred_at__gte=start)
        .values(hour=Substr(Cast("occurred_at", CharField()), 1, HOUR))
        .annotate(number=Count("pk"), recovered=Count("recovered_at", filter=_RECOVERED))
        .order_by()
    )
    return {
        datetime.fromisoformat(f"{row['hour']}:00").replace(tzinfo=UTC): (row["number"], row["recovered"])
        for row in rows
    }


def _money(start: datetime, day: datetime) -> list[money.Sum]:
    """Of live mode. At risk, and recovered; and whether an event failed within the last day."""
    live = Occurrence.objects.filter(_RECOVERED, occurred_at__gte=start, alert__livemode=True).exclude(currency="")
    return money.sums(live, "alert__livemode", day)
