"""The workers and processes that are alive, and what was said to the admins."""

from __future__ import annotations

from django.db import models


class WorkerHeartbeat(models.Model):
    """One row for each running worker. Written by `alerts_runtime.monitoring.heartbeat` alone."""

    id = models.CharField(primary_key=True, max_length=36)
    host = models.CharField(max_length=255)
    pid = models.PositiveIntegerField()
    started_at = models.DateTimeField()
    beat_at = models.DateTimeField(db_index=True)
    loops = models.JSONField(default=dict, help_text="Seconds since each loop last made progress.")

    hung = models.PositiveIntegerField(default=0, db_default=0, help_text="Threads that hang and were replaced.")

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}"


class Holder(models.Model):
    """A process that has leases, and the counter that it raises while it lives. Written by `leasing.holders` alone."""

    name = models.CharField(primary_key=True, max_length=12)
    beats = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return self.name


class Said(models.Model):
    """When something was last said to the admins, to say it only once. Written by `monitoring.watchdog`."""

    what = models.CharField(primary_key=True, max_length=50)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return self.what
