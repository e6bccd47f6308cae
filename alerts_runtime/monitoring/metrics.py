"""Prometheus' text format over our tables. Apps register what they count; nothing is counted in a process.

All are computed from the tables: counters in memory would be per process, and a restart would reset them. Numbers of a
time span are gauges, since retention deletes rows and a counter must never fall.
https://prometheus.io/docs/practices/naming/
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime

from prometheus_client.core import CollectorRegistry, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from alerts_runtime.models import WorkerHeartbeat
from alerts_runtime.monitoring import watchdog

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
Source = Callable[[datetime], Iterable[Metric]]
_sources: list[Source] = []


def register(source: Source) -> None:
    """Adds an app's metrics. Called in AppConfig.ready(); the source is asked at each scrape."""
    if source not in _sources:
        _sources.append(source)


def render(now: datetime) -> bytes:
    """Every metric as of `now`. Raises what the database raises: half an answer would look like a whole one."""
    registry = CollectorRegistry()
    registry.register(_Tables(now))
    return generate_latest(registry)


def gauge(name: str, text: str, value: float) -> Metric:
    """One number."""
    return GaugeMetricFamily(name, text, value=value)


def gauges(name: str, text: str, labels: tuple[str, ...], values: Mapping[tuple[str, ...], float]) -> Metric:
    """One number for each combination of labels."""
    family = GaugeMetricFamily(name, text, labels=labels)
    for combination, value in values.items():
        family.add_metric(combination, value)
    return family


def age(since: datetime | None, now: datetime) -> float:
    """Seconds since then; 0 when there is nothing that could be old."""
    return max((now - since).total_seconds(), 0.0) if since else 0.0


class _Tables(Collector):
    def __init__(self, now: datetime) -> None:
        self._now = now

    def collect(self) -> Iterator[Metric]:
        for source in (workers, *_sources):
            yield from source(self._now)

    def describe(self) -> Iterable[Metric]:
        return ()  # else registering would ask everything once more


def workers(now: datetime) -> Iterator[Metric]:
    """The metrics of the workers. A worker that stops deletes its row; that of one that died stays for a day."""
    rows = list(WorkerHeartbeat.objects.values_list("host", "pid", "beat_at"))
    running = sum(now - beat_at <= watchdog.BEAT_WITHIN for _, _, beat_at in rows)
    yield gauge("workers_running", "Workers that have said within a minute that they live.", running)
    yield gauges(
        "worker_heartbeat_age_seconds",
        "Seconds since a worker last said that it lives.",
        ("host", "pid"),
        {(host, str(pid)): age(beat_at, now) for host, pid, beat_at in rows},
    )
