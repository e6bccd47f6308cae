"""How much a channel may still send today, in messages and in money."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.db.models import Count, Sum

from notifier.judge.policy import ChannelConfig
from notifier.models import Heard
from notifier.outbox import past_tries


def spent_until(channel: ChannelConfig, tz: str, now: datetime) -> datetime | None:
    """When the next day's budget begins if today's is spent, else None. A day is a local one."""
    left = messages_left(channel, tz, now)
    return None if left is None or left > 0 else _day(tz, now)[1]


def messages_left(channel: ChannelConfig, tz: str, now: datetime) -> int | None:
    """How many messages today's budget still allows; None without a budget.

    A message in money is reckoned at two parts, the most that an SMS may have.
    """
    limits = channel.limits
    if limits.messages_per_day is None and limits.money_per_day is None:
        return None
    messages, parts = map(sum, zip(*_spent(channel.alias, _day(tz, now)[0]), strict=True))
    left = []
    if limits.messages_per_day is not None:
        left.append(limits.messages_per_day - messages)
    if limits.money_per_day is not None and limits.price_per_part:
        left.append(int((limits.money_per_day - parts * limits.price_per_part) // (2 * limits.price_per_part)))
    return max(0, min(left)) if left else None


def _spent(channel: str, since: datetime) -> Iterator[tuple[int, int]]:
    """Messages and parts: of what was sent, and of the answers to what people wrote."""
    yield past_tries.spent(channel, since)
    answers = Heard.objects.filter(channel=channel, at__gte=since).aggregate(messages=Count("pk"), parts=Sum("parts"))
    yield answers["messages"], answers["parts"] or 0


def _day(tz: str, now: datetime) -> tuple[datetime, datetime]:
    zone = ZoneInfo(tz)
    today = now.astimezone(zone).date()
    return (
        datetime.combine(today, time(), zone),
        datetime.combine(today + timedelta(days=1), time(), zone),
    )
