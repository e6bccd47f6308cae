"""A wall clock that is stepped back leaves what it planned before too far ahead: an alert would be late by as much."""

from __future__ import annotations

from datetime import datetime, timedelta
from time import monotonic

from django.db.models import DateTimeField, ExpressionWrapper, F, Value
from django.db.models.functions import Greatest

from alerts_runtime.redaction.loggers import get_logger

log = get_logger(__name__)

LEAST = timedelta(minutes=1)  # what NTP slews by is less, and what so little makes late does no harm


class SteppedBack:
    """Tells by how much this machine's wall clock was stepped back since it was last asked."""

    def __init__(self) -> None:
        self._ahead: float | None = None  # the wall clock, of the monotonic one

    def since(self, now: datetime) -> timedelta | None:
        """None: it was not, or by next to nothing."""
        ahead = now.timestamp() - monotonic()
        back = timedelta(seconds=(ahead if self._ahead is None else self._ahead) - ahead)
        self._ahead = ahead
        if back < LEAST:
            return None
        log.warning("clock.stepped_back", seconds=back.total_seconds())
        return back


def brought_forward(field: str, by: timedelta, now: datetime) -> Greatest:
    """For an UPDATE: the planned time as much earlier, but not before now."""
    earlier = ExpressionWrapper(F(field) - by, output_field=DateTimeField())
    return Greatest(earlier, Value(now, output_field=DateTimeField()))
