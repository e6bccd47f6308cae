"""The short number by which a recipient answers an alert by SMS. It is theirs alone, and small."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction

from notifier.models import Notification

SMALL, LARGEST = 99, 9999
KEPT = timedelta(days=7)  # so long an old number still says what became of its alert, while there are others


def give(rows: Sequence[Notification], now: datetime) -> None:
    """Give each row that has none the smallest number that its recipient can do without.

    A number is unique to an address, whichever channels reach it. The caller holds the target's lease, so no other
    worker gives out its numbers at the same time.
    """
    new = [row for row in rows if not row.code and row.alert.resolved_at is None]
    if not new:
        return
    address = new[0].target.address
    given = Notification.objects.filter(target__address=address, code__gt=0)
    over: dict[int, datetime | None] = dict(given.values_list("code", "alert__resolved_at"))
    with transaction.atomic():
        for row in new:
            code = _next(over, now)
            if code > LARGEST:
                return
            given.filter(code=code).update(code=0)
            Notification.objects.filter(pk=row.pk).update(code=code)
            row.code, over[code] = code, None


def of(address: str, code: int) -> Notification | None:
    """The notification that was sent to this address with this number; None when there is none."""
    rows = Notification.objects.filter(target__address=address, code=code).select_related("alert")
    return rows.order_by("-pk").first() if code else None


def open_at(address: str) -> list[Notification]:
    """The open alerts that were sent to this address with a number, in the order of the numbers."""
    rows = Notification.objects.filter(target__address=address, code__gt=0, alert__resolved_at__isnull=True)
    return list(rows.select_related("alert").order_by("code"))


def _next(over: dict[int, datetime | None], now: datetime) -> int:
    """The number to give next. `over` has when the alert of each used number was resolved; None while it is open."""
    long_over = now - KEPT
    for code in range(1, SMALL + 1):
        if code not in over or ((ended := over[code]) is not None and ended < long_over):
            return code
    ended_at = {code: at for code, at in over.items() if at is not None and code <= SMALL}
    return min(ended_at, key=ended_at.__getitem__) if ended_at else max(over) + 1
