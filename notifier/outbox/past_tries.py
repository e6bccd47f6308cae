"""What was tried before, as the next try has to know it. Writes nothing."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Count, Max, Q, Sum

from notifier.facts import Reason, Result
from notifier.models import Attempt, Digest, Notification, Target

_NOT_TAKEN = (Result.RETRY.value, Result.REJECTED.value)
_COUNTED = (Result.SENDING.value, Result.DELIVERED.value, Result.UNCERTAIN.value)


def sent_since(target_id: int, since: datetime) -> list[tuple[datetime, str]]:
    """When messages went, or may have gone, to a target, and for which reason.

    Tries of one message of which nobody knows bear one reference: they are one message, of the last of them.
    """
    sent = Attempt.objects.filter(target=target_id, started_at__gte=since, result__in=_COUNTED)
    tries = sent.exclude(reason=Reason.TEST).order_by("started_at").values_list("reference", "started_at", "reason")
    return sorted({reference: (at, reason) for reference, at, reason in tries}.values())


def spent(target_channel: str, since: datetime) -> tuple[int, int]:
    """Messages and parts (SMS segments) that went to a channel since then; several tries of one are one."""
    sent = Attempt.objects.filter(target__channel=target_channel, started_at__gte=since, result__in=_COUNTED)
    one_each = sent.order_by().values("reference").annotate(most=Max("parts"))
    row = one_each.aggregate(messages=Count("reference"), parts=Sum("most"))
    return row["messages"] or 0, row["parts"] or 0


def last_uncertain(row: Notification | Digest) -> Attempt | None:
    """The latest try of what is due that may have been taken, when nobody knows whether it was."""
    if row.tries == 0:
        return None
    tries = Attempt.objects.filter(
        Q(parts_told__notification=row) if isinstance(row, Notification) else Q(digest_of=row)
    )
    # A try that was certainly not taken, or that could not even ask, leaves the one before it as unknown as it was.
    last = tries.exclude(result__in=_NOT_TAKEN).order_by("-pk").first()
    if last is None or last.result != Result.UNCERTAIN.value:
        return None
    # Used again for others that were folded with this row: who asks for the reference would find their message.
    again = Attempt.objects.filter(reference=last.reference, pk__gt=last.pk).exclude(result__in=_NOT_TAKEN)
    return None if again.exists() else last


def any_thread(target: Target) -> str:
    """The channel's own handle of an earlier message to this target; empty when it had none."""
    threads = Notification.objects.filter(target=target).exclude(thread="").order_by("-pk")
    return threads.values_list("thread", flat=True).first() or ""


def rows_told(attempt: Attempt) -> set[int]:
    """The notifications that a try was about."""
    return set(attempt.parts_told.values_list("notification_id", flat=True))
