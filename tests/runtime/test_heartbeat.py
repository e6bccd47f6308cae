"""Who works, and when each last said so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from alerts_runtime.models import WorkerHeartbeat
from alerts_runtime.monitoring import heartbeat

NOW = datetime(2026, 11, 22, 14, 2, tzinfo=UTC)
pytestmark = pytest.mark.django_db


def beat(worker_id: str, at: datetime, loops: dict[str, float] | None = None) -> None:
    heartbeat.beat(worker_id, at, host="web1", pid=7, started_at=NOW, loops=loops or {})


def test_nobody_has_beaten_yet() -> None:
    assert heartbeat.last_beat() is None


def test_a_worker_has_one_row_however_often_it_beats() -> None:
    beat("a", NOW, {"events": 0.1})
    beat("a", NOW + timedelta(seconds=1), {"events": 9.0})

    row = WorkerHeartbeat.objects.get()
    assert (row.host, row.pid, row.started_at) == ("web1", 7, NOW)
    assert (row.beat_at, row.loops) == (NOW + timedelta(seconds=1), {"events": 9.0})


def test_the_last_beat_is_that_of_any_worker() -> None:
    beat("a", NOW)
    beat("b", NOW - timedelta(hours=1))

    assert heartbeat.last_beat() == NOW


def test_a_worker_that_takes_leave_is_forgotten_and_no_other() -> None:
    beat("a", NOW)
    beat("b", NOW - timedelta(hours=1))

    heartbeat.forget("a")

    assert heartbeat.last_beat() == NOW - timedelta(hours=1)


def test_beats_older_than_a_day_are_pruned() -> None:
    beat("died long ago", NOW - timedelta(days=1, seconds=1))
    beat("died a day ago", NOW - timedelta(days=1))

    assert heartbeat.prune(NOW) == 1
    assert [row.id for row in WorkerHeartbeat.objects.all()] == ["died a day ago"]


def test_a_beat_is_one_statement(django_assert_num_queries: pytest.FixtureRequest) -> None:
    beat("a", NOW)
    with django_assert_num_queries(1):  # type: ignore[operator] # pytest-django's fixture has no public type
        beat("a", NOW)
