"""Estimates how many events an endpoint should have had since its last one, from what it had before."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Max, Min, QuerySet

from notifier.judge.watch import Missing

BASELINE = timedelta(days=30)  # how far back events are read


def missing(events: QuerySet[Any], at: str, now: datetime) -> Missing | None:
    """How many of an endpoint's `events` are missing since the last one; None when there were none in the baseline.

    `at` is the field with the time of arrival. A silence of less than a day is compared with the same hours of the
    seven days before, a longer one with as many whole days before; on a younger site, with the whole time since its
    first event.
    """
    events = events.filter(**{f"{at}__gte": now - BASELINE, f"{at}__lte": now})
    ends = events.aggregate(first=Min(at), last=Max(at), number=Count("pk"))
    first, last = ends["first"], ends["last"]
    if last is None:
        return None
    step = timedelta(days=(now - last).days + 1)
    spans = [(last - step * back, now - step * back) for back in range(1, 8)]
    if known := [(start, end) for start, end in spans if start >= first]:
        found = sum(events.filter(**{f"{at}__gte": start, f"{at}__lt": end}).count() for start, end in known)
        return Missing(last, found / len(known))
    return Missing(last, ends["number"] * (now - last) / max(last - first, timedelta(hours=1)))
