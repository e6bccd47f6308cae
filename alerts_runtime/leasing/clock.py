"""For a machine whose wall clock is set back by an hour: what was planned before would be sent an hour late."""

from __future__ import annotations

from datetime import datetime, timedelta
from time import monotonic

from django.db.models import DateTimeField, ExpressionWrapper, F, Value
from django.db.models.functions import Greatest

from alerts_runtime.redaction.loggers import get_logger

log = get_logger(__name__)

LEAST = timedelta(minutes=1)  # less makes nothing late enough to matter, and NTP corrects by less


class SteppedBack:
    """Tells by how much this machine's wall clock was stepped back since it was last asked."""

    def __init__(self) -> None:
        self._ahead: float | None = None  # seconds that the wall clock shows more than the monotonic one

    def since(self, now: datetime) -> timedelta | None:
        """By how much, or None when it was not, or by less than LEAST."""
        ahead = now.timestamp() - monotonic()
        back = timedelta(seconds=(ahead if self._ahead is None else self._ahead) - ahead)
        self._ahead = ahead
        if back < LEAST:
            return None
        log.warning("clock.stepped_back", seconds=back.total_seconds())
        return back


def brought_forward(field: str, by: timedelta, now: datetime) -> Greatest:
    """For an UPDATE: the time in this field moved earlier `by` that much, but not before `now`."""
    earlier = ExpressionWrapper(F(field) - by, output_field=DateTimeField())
    return Greatest(earlier, Value(now, output_field=DateTimeField()))
