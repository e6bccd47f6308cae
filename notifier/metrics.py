"""Metrics of alerts and their delivery. Every query uses an index and reads only what is open, due or recent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db.models import Count, ExpressionWrapper, F, Min, Q, Sum
from django.db.models import DurationField as Duration
from prometheus_client.core import GaugeHistogramMetricFamily, Metric

from alerts_runtime.monitoring.metrics import age, gauge, gauges
from notifier.config.conf import get_policy
from notifier.facts import Category, HeldBy, Severity
from notifier.models import Alert, Attempt, Digest, Notification, Occurrence, Target
from notifier.oncall import uncovered

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
BUCKETS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)  # seconds; the last ones are the channels' deadlines


def collect(now: datetime) -> Iterator[Metric]:
    channels = sorted(set(Target.objects.values_list("channel", flat=True)))
    yield from _alerts(now)
    yield from _due(channels, now)
    yield from _held()
    yield from _targets(now)
    with suppress(ImproperlyConfigured):  # the checks say so; the other figures are right
        yield _uncovered(now)
    yield from _attempts(now)
    yield _latency(now)


def _alerts(now: datetime) -> Iterator[Metric]:
    still_open = Alert.objects.filter(resolved_at__isnull=True).values_list("severity").annotate(n=Count("pk"))
    counts = dict(still_open)
    yield gauges(
        "notifier_alerts_open",
        "Alerts that are not resolved.",
        ("severity",),
        {(severity.label,): counts.get(severity, 0) for severity in Severity},
    )
    recent = Occurrence.objects.filter(occurred_at__gte=now - HOUR).values_list("alert__category")
    by_category = dict(recent.annotate(n=Count("pk")))
    yield gauges(
        "notifier_failures_last_hour",
        "Failures counted on alerts within the last hour.",
        ("category",),
        {(category.value,): by_category.get(category.value, 0) for category in Category},
    )
    given_up = Occurrence.objects.filter(recovered_at__isnull=True, dead=True)
    yield gauge(
        "notifier_events_given_up",
        "Events of open alerts that nobody will retry by itself.",
        given_up.filter(alert__resolved_at__isnull=True).values("event_id").distinct().count(),
    )


def _due(channels: list[str], now: datetime) -> Iterator[Metric]:
    due = Notification.objects.filter(due_at__lte=now)
    rows = due.values_list("target__channel").annotate(n=Count("pk"), oldest=Min("due_at"))
    known = {channel: (number, oldest) for channel, number, oldest in rows}
    yield gauges(
        "notifier_due_notifications",
        "Notifications whose time has come and that are not sent yet, throttled ones included.",
        ("channel",),
        {(channel,): known.get(channel, (0, None))[0] for channel in channels},
    )
    yield gauges(
        "notifier_oldest_due_notification_age_seconds",
        "How long the oldest of them has been due; 0: there is none.",
        ("channel",),
        {(channel,): age(known.get(channel, (0, None))[1], now) for channel in channels},
    )
    digests = Digest.objects.filter(due_at__lte=now).aggregate(n=Count("pk"), oldest=Min("due_at"))
    yield gauge("notifier_digests_due", "Digests that are not sent yet.", digests["n"])
    yield gauge(
        "notifier_oldest_due_digest_age_seconds",
        "How long the oldest of them has been due; 0: there is none.",
        age(digests["oldest"], now),
    )


def _held() -> Iterator[Metric]:
    held = Notification.objects.filter(due_at__isnull=False).exclude(held_by="")
    counts = {by.value: 0 for by in HeldBy if by is not HeldBy.ENDED}
    counts |= dict(held.values_list("held_by").annotate(n=Count("pk")))
    yield gauges(
        "notifier_held_notifications",
        "Notifications that a guard holds, to be judged again when it ends.",
        ("guard",),
        {(kind,): number for kind, number in counts.items()},
    )


def _targets(now: datetime) -> Iterator[Metric]:
    row = Target.objects.aggregate(
        throttled=Count("pk", filter=Q(next_at__gt=now)), dead=Count("pk", filter=Q(dead_since__isnull=False))
    )
    yield gauge(
        "notifier_throttled_targets",
        "Recipients that get nothing for now: their throttle is full, or the provider asked to wait.",
        row["throttled"],
    )
    yield gauge("notifier_dead_targets", "Recipients set aside, since nothing reaches them.", row["dead"])


def _uncovered(now: datetime) -> Metric:
    found = uncovered.holes(get_policy(), now)
    return gauges(
        "notifier_uncovered_seconds",
        "Of the next 14 days, for how long a rotation has nobody on call whom its channels reach.",
        ("rotation",),
        {(name,): sum((one.end - one.start).total_seconds() for one in ahead) for name, ahead in found.items()},
    )


def _attempts(now: datetime) -> Iterator[Metric]:
    # The targets are named, so that the index on (target, started_at) can be used.
    recent = Attempt.objects.filter(target__in=_targets_known(), started_at__gte=now - DAY)
    rows = recent.values_list("target__channel", "result").annotate(n=Count("pk"))
    yield gauges(
        "notifier_attempts_last_day",
        "Tries to send a message that began within the last 24 hours.",
        ("channel", "result"),
        {(channel, result): number for channel, result, number in rows},
    )
    reported = recent.exclude(receipt="").values_list("target__channel", "receipt").annotate(n=Count("pk"))
    yield gauges(
        "notifier_receipts_last_day",
        "What providers have reported of the messages of the last 24 hours.",
        ("channel", "status"),
        {(channel, status): number for channel, status, number in reported},
    )
    yield gauge(
        "notifier_leases_lost_last_day",
        "Tries of the last 24 hours whose worker died or lost its lease while it was sending.",
        recent.filter(code="worker-lost").count(),
    )


def _latency(now: datetime) -> Metric:
    took = ExpressionWrapper(F("finished_at") - F("started_at"), output_field=Duration())
    recent = Attempt.objects.filter(
        target__in=_targets_known(), started_at__gte=now - HOUR, finished_at__isnull=False
    ).annotate(took=took)
    within = {
        f"le_{number}": Count("pk", filter=Q(took__lte=timedelta(seconds=le))) for number, le in enumerate(BUCKETS)
    }
    family = GaugeHistogramMetricFamily(
        "notifier_attempt_duration_last_hour_seconds",
        "How long providers took over the tries that began within the last hour.",
        labels=("channel",),
    )
    rows: Any = recent.values("target__channel").annotate(n=Count("pk"), total=Sum("took"), **within)
    for row in rows:
        buckets = [(str(float(le)), row[f"le_{number}"]) for number, le in enumerate(BUCKETS)]
        family.add_metric([row["target__channel"]], [*buckets, ("+Inf", row["n"])], row["total"].total_seconds())
    return family


def _targets_known() -> list[int]:
    return list(Target.objects.values_list("pk", flat=True))
