"""What earlier attempts say that the next one has to know. Writes nothing."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Count, Max, Q, Sum

from notifier.facts import Reason, Result
from notifier.models import Attempt, Digest, Notification, Target

_NOT_TAKEN = (Result.RETRY.value, Result.REJECTED.value)
_COUNTED = (Result.SENDING.value, Result.DELIVERED.value, Result.UNCERTAIN.value)


def sent_since(target_id: int, since: datetime) -> list[tuple[datetime, str]]:
    """When messages went, or may have gone, to a target, and for which reason.

    The attempts of one message share a reference, and count as one message at the time of the last of them.
    """
    sent = Attempt.objects.filter(target=target_id, started_at__gte=since, result__in=_COUNTED)
    tries = sent.exclude(reason=Reason.TEST).order_by("started_at").values_list("reference", "started_at", "reason")
    return sorted({reference: (at, reason) for reference, at, reason in tries}.values())


def spent(target_channel: str, since: datetime) -> tuple[int, int]:
    """Messages and parts (SMS segments) that went to a channel since then; several attempts of one count once."""
    sent = Attempt.objects.filter(target__channel=target_channel, started_at__gte=since, result__in=_COUNTED)
    one_each = sent.order_by().values("reference").annotate(most=Max("parts"))
    row = one_each.aggregate(messages=Count("reference"), parts=Sum("most"))
    return row["messages"] or 0, row["parts"] or 0


def last_uncertain(row: Notification | Digest) -> Attempt | None:
    """The latest attempt for this row if its outcome is unknown: the provider may have accepted the message."""
    if row.tries == 0:
        return None
    tries = Attempt.objects.filter(
        Q(parts_told__notification=row) if isinstance(row, Notification) else Q(digest_of=row)
    )
    # An attempt that was certainly not accepted says nothing of the one before it, whose outcome stays unknown.
    last = tries.exclude(result__in=_NOT_TAKEN).order_by("-pk").first()
    if last is None or last.result != Result.UNCERTAIN.value:
        return None
    # The reference was used again, for others that were in one message with this row: to look for it now would find
    # the message to those.
    again = Attempt.objects.filter(reference=last.reference, pk__gt=last.pk).exclude(result__in=_NOT_TAKEN)
    return None if again.exists() else last


def any_thread(target: Target) -> str:
    """The channel's own handle of an earlier message to this target; empty when it had none."""
    threads = Notification.objects.filter(target=target).exclude(thread="").order_by("-pk")
    return threads.values_list("thread", flat=True).first() or ""


def rows_told(attempt: Attempt) -> set[int]:
    """The ids of the notifications that an attempt was about."""
    return set(attempt.parts_told.values_list("notification_id", flat=True))
