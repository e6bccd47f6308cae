"""The only writer of Listener: which processes hear answers in Slack by Socket Mode, and when each last did."""

from __future__ import annotations

from datetime import datetime, timedelta

from alerts_runtime.database.retention import delete_some
from notifier.models import Listener

AGED = timedelta(minutes=2)  # a process without a beat for so long has stopped


def beat(name: str, connections: int, now: datetime) -> None:
    """Note that a process hears answers, on so many connections."""
    Listener.objects.update_or_create(name=name, defaults={"beat_at": now, "connections": connections})


def forget(name: str) -> None:
    """Note that a process has stopped."""
    Listener.objects.filter(name=name).delete()


def last_beat() -> datetime | None:
    """When any process last heard; None when none ever has."""
    return Listener.objects.order_by("-beat_at").values_list("beat_at", flat=True).first()


def prune(before: datetime) -> int:
    """Delete those that ended long ago without saying so; how many."""
    return delete_some(Listener.objects.filter(beat_at__lt=before))
