"""The only writer of WorkerHeartbeat: which workers are alive, and when each last wrote that."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from django.db.models import Sum

from alerts_runtime.models import WorkerHeartbeat

KEEP = timedelta(days=1)  # how long rows of workers that died are kept


def beat(
    worker_id: str,
    now: datetime,
    *,
    host: str,
    pid: int,
    started_at: datetime,
    loops: Mapping[str, float],
    hung: int = 0,
) -> None:
    """Says that this worker lives, in one statement. `loops`: seconds since each loop last made progress.

    `hung`: how many of its threads hang and were replaced.
    """
    row = WorkerHeartbeat(
        id=worker_id, host=host, pid=pid, started_at=started_at, beat_at=now, loops=dict(loops), hung=hung
    )
    WorkerHeartbeat.objects.bulk_create(
        [row], update_conflicts=True, unique_fields=["id"], update_fields=["beat_at", "loops", "hung"]
    )


def last_beat() -> datetime | None:
    """When any worker last wrote its heartbeat."""
    return WorkerHeartbeat.objects.order_by("-beat_at").values_list("beat_at", flat=True).first()


def silent(loop: str, now: datetime, within: timedelta) -> timedelta | None:
    """How long ago a thread of this loop last made progress, in any worker that lives; None: no such worker runs it."""
    rows = WorkerHeartbeat.objects.filter(beat_at__gte=now - within).values_list("loops", "beat_at")
    found = [timedelta(seconds=float(loops[loop])) + (now - at) for loops, at in rows if loop in loops]
    return min(found, default=None)


def hung(now: datetime, within: timedelta) -> int:
    """How many threads hang in the workers that have said within this time that they live."""
    return WorkerHeartbeat.objects.filter(beat_at__gte=now - within).aggregate(sum=Sum("hung"))["sum"] or 0


def forget(worker_id: str) -> None:
    """Delete the row of a worker that has stopped."""
    WorkerHeartbeat.objects.filter(id=worker_id).delete()


def prune(now: datetime) -> int:
    """Deletes the beats of workers that died more than a day ago; returns how many."""
    deleted, _ = WorkerHeartbeat.objects.filter(beat_at__lt=now - KEEP).delete()
    return deleted
