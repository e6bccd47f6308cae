"""Deletes old notifications, attempts and digests."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Exists, OuterRef

from alerts_runtime.database.retention import delete_some
from notifier.facts import Result
from notifier.models import Attempt, AttemptPart, Digest, Notification


def prune(before: datetime) -> int:
    """Delete a batch of the messages of alerts resolved before `before`, and of older digests and tests; how many rows.

    What is still due stays, and so does the latest digest of each name: the next one begins where it ends.
    """
    told = Notification.objects.filter(alert__resolved_at__lt=before, due_at__isnull=True, sending__isnull=True)
    later = Digest.objects.filter(name=OuterRef("name"), target=OuterRef("target"), ends_at__gt=OuterRef("ends_at"))
    digests = Digest.objects.filter(Exists(later), ends_at__lt=before, due_at__isnull=True, sending__isnull=True)
    tries = Attempt.objects.filter(parts_told__isnull=True, digest_of__isnull=True, started_at__lt=before)
    parts = AttemptPart.objects.filter(notification__in=told)
    return (
        delete_some(parts)
        or delete_some(told.filter(parts_told__isnull=True))
        or delete_some(digests)
        or delete_some(tries.exclude(result=Result.SENDING))
    )
