"""Metrics of events and refused requests. Every query uses an index and reads only what waits or is recent."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db.models import Count, Min, Sum
from prometheus_client.core import Metric

from alerts_runtime.monitoring.metrics import age, gauge, gauges
from webhooks.models import Refusal, SecretUse, WebhookEvent

RECENT = timedelta(hours=1)
State = WebhookEvent.State


def collect(now: datetime) -> Iterator[Metric]:
    yield from _waiting(now)
    received = WebhookEvent.objects.filter(received_at__gte=now - RECENT).order_by()
    states = dict.fromkeys(State.values, 0) | dict(received.values_list("state").annotate(n=Count("pk")))
    yield gauges(
        "webhooks_events_last_hour",
        "Events received within the last hour, by what has become of them.",
        ("state",),
        {(state,): number for state, number in states.items()},
    )
    used = SecretUse.objects.filter(last_at__isnull=False).values_list("endpoint", "secret", "last_at")
    yield gauges(
        "webhooks_signing_secret_age_since_use_seconds",
        "Seconds since a signing secret was used, of endpoints with several; secret: the beginning of its hash.",
        ("endpoint", "secret"),
        {(endpoint, secret): age(last_at, now) for endpoint, secret, last_at in used},
    )
    refused = Refusal.objects.filter(minute__gte=now - RECENT).order_by()
    yield gauges(
        "webhooks_refused_requests_last_hour",
        "Requests refused within the last hour.",
        ("endpoint", "reason"),
        {
            (endpoint, reason): number
            for endpoint, reason, number in refused.values_list("endpoint", "reason").annotate(n=Sum("count"))
        },
    )


def _waiting(now: datetime) -> Iterator[Metric]:
    unprocessed = WebhookEvent.objects.filter(due_at__isnull=False).order_by()
    rows = unprocessed.values_list("state").annotate(n=Count("pk"), oldest=Min("armed_at"))
    counts: dict[str, int] = {State.PENDING.value: 0, State.PROCESSING.value: 0}
    oldest: list[datetime] = []
    for state, number, armed_at in rows:
        counts[state] = number
        oldest.append(armed_at)
    yield gauges(
        "webhooks_unprocessed_events",
        "Events that wait or are being processed, whenever they were received.",
        ("state",),
        {(state,): number for state, number in counts.items()},
    )
    yield gauge(
        "webhooks_oldest_unprocessed_event_age_seconds",
        "Age of the oldest event that is not processed and not given up, retries included; 0: there is none.",
        age(min(oldest, default=None), now),
    )
    due = unprocessed.filter(state=State.PENDING, due_at__lte=now).aggregate(at=Min("due_at"))["at"]
    yield gauge(
        "webhooks_oldest_due_event_age_seconds",
        "How long the oldest event has been waiting for a worker; 0: none waits.",
        age(due, now),
    )
