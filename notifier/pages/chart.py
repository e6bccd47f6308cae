"""Failures over time: how many there were, and how many of them are recovered, as bars and as the table behind them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from django.core.cache import cache
from django.db.models import CharField, Count
from django.db.models.functions import Cast, Substr

from notifier.facts import Money
from notifier.judge.money import add
from notifier.messages import digest_money, each_event
from notifier.models import Alert, Occurrence

HOUR = len("2026-11-21 14")
HIGH, WIDE, GAP = 60, 10, 2  # of a bar, in the drawing's own units
HOURS, DAYS = 24, 30
KEEP = 60  # seconds: a month of a storm is not added up for everybody who looks


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
    tz = ZoneInfo(zone)
    this_hour = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    midnight = now.astimezone(tz).replace(hour=0, minute=0, second=0, microsecond=0)
    days = [midnight.date() - timedelta(days=back) for back in range(DAYS - 1, -1, -1)]
    first_day = datetime(days[0].year, days[0].month, days[0].day, tzinfo=tz)
    by_hour = _cached("hours", first_day, now)
    hours = [this_hour - timedelta(hours=back) for back in range(HOURS - 1, -1, -1)]
    per_hour = [(f"{hour.astimezone(tz):%H:%M}", *by_hour.get(hour, (0, 0))) for hour in hours]
    total, recovered = Counter[object](), Counter[object]()
    for hour, (number, done) in by_hour.items():
        day = hour.astimezone(tz).date()
        total[day] += number
        recovered[day] += done
    per_day = [(f"{day.day} {day:%b}", total[day], recovered[day]) for day in days]
    return (
        _chart("hours", per_hour, *_money(hours[0], now)),
        _chart("days", per_day, *_money(first_day, now)),
    )


def _chart(
    name: str, rows: Sequence[tuple[str, int, int]], at_risk: tuple[Money, ...], recovered: tuple[Money, ...]
) -> Chart:
    most = max(number for _, number, _ in rows)
    bars = []
    for place, (label, number, done) in enumerate(rows):
        high, left_high = _height(done, most), _height(number - done, most)
        bars.append(Bar(label, done, number - done, place * (WIDE + GAP), high, left_high))
    return Chart(name, tuple(bars), most, at_risk, recovered)


def _height(number: int, most: int) -> int:
    """In proportion; what is more than nothing is seen."""
    return max(2, number * (HIGH - 2) // most) if number else 0


def _cached(name: str, start: datetime, now: datetime) -> dict[datetime, tuple[int, int]]:
    key = f"notifier.pages.{name}.{start.isoformat()}.{int(now.timestamp()) // KEEP}"
    found: dict[datetime, tuple[int, int]] | None = cache.get(key)
    if found is None:
        cache.set(key, found := _by_hour(start), KEEP)
    return found


def _by_hour(start: datetime) -> dict[datetime, tuple[int, int]]:
    """By text, which both databases cut fast: Trunc is a call of Python per row on SQLite."""
    rows = (
        Occurrence.objects.filter(occurred_at__gte=start)
        .values(hour=Substr(Cast("occurred_at", CharField()), 1, HOUR))
        .annotate(number=Count("pk"), recovered=Count("recovered_at"))
        .order_by()
    )
    return {
        datetime.fromisoformat(f"{row['hour']}:00").replace(tzinfo=UTC): (row["number"], row["recovered"])
        for row in rows
    }


def _money(start: datetime, now: datetime) -> tuple[tuple[Money, ...], tuple[Money, ...]]:
    """At risk, and recovered: an event's money counts once, in the state of its last failure."""
    key = f"notifier.pages.money.{start.isoformat()}.{int(now.timestamp()) // KEEP}"
    found: tuple[tuple[Money, ...], tuple[Money, ...]] | None = cache.get(key)
    if found is None:
        live = Occurrence.objects.filter(occurred_at__gte=start, alert__livemode=True).exclude(currency="")
        groups = each_event.groups(live)
        waiting = each_event.money(group for group in groups if group.waiting)
        found = (waiting, each_event.money(group for group in groups if not group.waiting))
        cache.set(key, found, KEEP)
    return found


def at_risk_now() -> tuple[tuple[Money, ...], tuple[Money, ...]]:
    """Of everything that is open: the money of live mode, and that of test mode, which is at no risk."""
    sums = []
    for livemode in (True, False):
        events = digest_money.waiting(Alert.objects.filter(resolved_at__isnull=True, livemode=livemode))
        sums.append(add(money for one in events.values() for money in one.money))
    return sums[0], sums[1]
