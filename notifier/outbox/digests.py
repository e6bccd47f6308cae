"""The only writer of Digest: one row for each digest, target and period, or for a note to a person on call."""

from __future__ import annotations

from datetime import datetime

from notifier.facts import DeliveryError, Note, Receipt, Recipient
from notifier.models import Digest
from notifier.outbox import digest_trouble, targets
from notifier.outbox.after_try import next_try

UNSUBSCRIBED = "unsubscribed"


def note(kind: Note, rotation: str, to: Recipient, moment: datetime, now: datetime, about: int = 0) -> bool:
    """Add a note to a person about a rotation, due now; False when there is one of that kind and moment already."""
    _, created = Digest.objects.get_or_create(
        name=f"{kind} of {rotation}",
        target=targets.row_of(to),
        ends_at=moment,
        defaults={"kind": kind, "about": about, "starts_at": moment, "due_at": now},
    )
    return created


def ensure_digest(name: str, target: Recipient, starts_at: datetime, ends_at: datetime, now: datetime) -> bool:
    """Make the row of a period and target unless there is one, in any number of workers; True when it is new and due.

    The first row of a digest is not sent: it covers a time before the digest was set up, and would say "all quiet".
    """
    row = targets.row_of(target)
    previous = Digest.objects.filter(name=name, target=row).order_by("-ends_at").first()
    if previous is not None and previous.ends_at >= ends_at:
        return False
    starts = min(starts_at, previous.ends_at) if previous else starts_at
    wanted = previous is not None and row.no_digests_since is None
    _, created = Digest.objects.get_or_create(
        name=name,
        target=row,
        ends_at=ends_at,
        defaults={
            "starts_at": starts,
            "due_at": now if wanted else None,
            "outcome": "" if wanted else UNSUBSCRIBED if previous else "set up",
        },
    )
    return created and wanted


def digest_now(name: str, target: Recipient, starts_at: datetime, now: datetime) -> Digest:
    """A digest of the time since the last one, due at once; not for who has unsubscribed."""
    row = targets.row_of(target)
    previous = Digest.objects.filter(name=name, target=row).order_by("-ends_at").first()
    starts, wanted = previous.ends_at if previous else starts_at, row.no_digests_since is None
    return Digest.objects.create(
        name=name,
        target=row,
        starts_at=starts,
        ends_at=now,
        due_at=now if wanted else None,
        outcome="" if wanted else UNSUBSCRIBED,
    )


def due_digest(target_id: int, now: datetime) -> Digest | None:
    due = Digest.objects.filter(target=target_id, due_at__lte=now, sending__isnull=True)
    return due.select_related("target").order_by("ends_at").first()


def skip_digest(digest: Digest, why: str) -> None:
    """Do not send a digest, and note why in its row: it has nothing to say, or nobody to say it to."""
    Digest.objects.filter(pk=digest.pk, sending__isnull=True).update(due_at=None, outcome=why[:200])


def finish_digest(digest: Digest, outcome: Receipt | DeliveryError, now: datetime) -> None:
    digest.sending = None
    if isinstance(outcome, Receipt):
        digest.due_at, digest.sent_at, digest.outcome = None, now, "delivered"
    else:
        digest.tries += 1
        digest.outcome = f"{outcome.result}: {outcome.code}"[:200]
        digest.due_at = next_try(outcome, digest.tries, attempt_since(digest), now)
        if digest.due_at is None:
            digest_trouble.given_up(digest, digest.outcome)
    digest.save()


def attempt_since(digest: Digest) -> datetime:
    """When the first try of a digest began."""
    first = digest.attempts.order_by("pk").first()
    return first.started_at if first else digest.ends_at
