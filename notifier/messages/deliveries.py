"""Lists, for a thread, which others an alert was sent to since the last message there, and the outcome."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Q

from alerts_runtime.redaction.masking import named
from notifier.facts import Result
from notifier.judge.delivery_status import NOT_SENT, UNWANTED
from notifier.messages.wording import clock
from notifier.models import Attempt, Notification

MOST = 8  # recipients; the alert's page has all of them
_BECAME = {
    Result.RETRY: "not taken, is tried again",
    Result.UNCERTAIN: "perhaps not taken",
    Result.REJECTED: "refused",
}


def to_others(row: Notification, now: datetime, tz: str) -> tuple[str, ...]:
    """ "oncall (+49…78): told 02:10 UTC, arrived": the last attempt to each recipient, in order."""
    if row.told_at is None:
        return ()
    since = Q(finished_at__gt=row.told_at) | Q(receipt_at__gt=row.told_at)
    tries = Attempt.objects.filter(since, parts_told__notification__alert=row.alert_id, finished_at__isnull=False)
    # `parts` is 0 if nothing was sent: a call, for one, is not made for an update.
    others = tries.exclude(target=row.target_id).exclude(parts=0).select_related("target").defer("text")
    last = {one.target_id: one for one in others.order_by("-pk")[: 4 * MOST][::-1]}
    lines = [_line(one, now, tz) for one in sorted(last.values(), key=lambda one: one.pk)]
    left = len(lines) - MOST
    return (*lines[-MOST:], *([f"and {left} more"] if left > 0 else []))


def _line(one: Attempt, now: datetime, tz: str) -> str:
    who = named(one.target.channel, one.target.address)
    if one.result != Result.DELIVERED:
        became = _BECAME.get(Result(one.result), one.result)
        return f"{who}: {became} {clock(one.started_at, now, tz)}" + (f" ({one.code})" if one.code else "")
    if one.receipt in NOT_SENT | UNWANTED:
        came = f", {one.receipt}" + (f" ({one.receipt_code})" if one.receipt_code else "")
    else:
        came = ", arrived" if one.receipt == "delivered" else ""
    return f"{who}: told {clock(one.started_at, now, tz)}{came}"
