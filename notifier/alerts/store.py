"""The only writer of Alert, except for counting failures: resolve, acknowledge, inhibit, ignore, prune."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Q, Value
from django.db.models.functions import Least

from alerts_runtime.database import retention
from alerts_runtime.database.retention import delete_some
from notifier.alerts.arguments import LONGEST_RESOLVE_AFTER
from notifier.facts import FORGOTTEN, NEVER_AGAIN
from notifier.judge.durations import human
from notifier.models import Alert, Occurrence


def recover(
    event_id: str, how: str, now: datetime, *, after_commit: bool = True, of: Q | None = None, ended: str = ""
) -> list[Alert]:
    """Mark the failures of this event as recovered; the alerts that this resolved. `ended` is their `resolved_how`.

    `of` limits it to one source, since an event may come from two. Without `after_commit` the failures of callbacks
    after an earlier commit are left out: only running them again can end those.
    """
    waiting = Occurrence.objects.filter(of or Q(), event_id=event_id, recovered_at__isnull=True)
    if not after_commit:
        waiting = waiting.filter(after_commit=False)
    alert_ids = set(waiting.values_list("alert_id", flat=True))
    if not alert_ids:
        return []
    with transaction.atomic():
        # Locked, since a failure may be counted on the same alert at this moment.
        open_alerts = list(Alert.objects.select_for_update().filter(id__in=alert_ids).order_by("id"))
        waiting.update(recovered_at=now, recovered_how=how)
        return [
            alert
            for alert in open_alerts
            if not alert.resolve_after and not _waits(alert) and resolve(alert, ended or f"by {how}", now)
        ]


def waits_again(event_id: str) -> None:
    """Undo the settling of an event's failures in open alerts: it may be run again, though not by itself."""
    settled = Occurrence.objects.filter(event_id=event_id, recovered_how=NEVER_AGAIN, alert__resolved_at__isnull=True)
    settled.update(recovered_at=None, recovered_how="", dead=True)


def resolve(alert: Alert, how: str, now: datetime) -> bool:
    """Resolve an alert; False when it was over already."""
    how = how[:50]  # it may name a user
    changed = Alert.objects.filter(pk=alert.pk, resolved_at__isnull=True).update(resolved_at=now, resolved_how=how)
    release_children(alert)
    if changed:
        alert.resolved_at, alert.resolved_how = now, how
    return bool(changed)


def acknowledge(alert: Alert, by: str, now: datetime, until: datetime) -> bool:
    """Note that somebody has acknowledged an alert until then; False when it is over already."""
    return bool(
        Alert.objects.filter(pk=alert.pk, resolved_at__isnull=True).update(
            acknowledged_at=now,
            acknowledged_until=until,
            acknowledged_by=by[:150],
            acknowledged_severity=F("severity"),
        )
    )


def take_back(alert: Alert) -> None:
    """Take the acknowledgement of an alert back."""
    Alert.objects.filter(pk=alert.pk).update(
        acknowledged_at=None, acknowledged_until=None, acknowledged_by="", acknowledged_severity=None
    )


def answered(alert: Alert, entry: int) -> None:
    """Note the latest entry of the log that all who were told are to see. Reads `alert` again."""
    Alert.objects.filter(pk=alert.pk).update(last_answer=entry)
    alert.refresh_from_db()


def inhibit(alert_ids: list[int], parent_id: int) -> None:
    """Note that these alerts have an open parent."""
    for start in range(0, len(alert_ids), retention.BATCH):
        Alert.objects.filter(pk__in=alert_ids[start : start + retention.BATCH]).update(inhibited_by=parent_id)


def set_ignored(fingerprint: str, ignored_id: int) -> int:
    """Note that alerts of this kind are ignored; how many of them are open."""
    alerts = Alert.objects.filter(fingerprint=fingerprint)
    alerts.filter(resolved_at__isnull=False).update(ignored=ignored_id)  # one of them may be reopened
    return alerts.filter(resolved_at__isnull=True).update(ignored=ignored_id)


def no_longer_ignored(ignored_id: int) -> None:
    Alert.objects.filter(ignored=ignored_id).update(ignored=None)


def release_children(parent: Alert) -> None:
    Alert.objects.filter(inhibited_by=parent.pk).update(inhibited_by=None)


def overdue_to_resolve(now: datetime, forget_after: timedelta) -> list[tuple[Alert, str]]:
    """Open alerts that end by themselves now, each with the reason."""
    # Limited, since a date out of range would make the whole query fail.
    ended = now - Least(F("resolve_after"), Value(LONGEST_RESOLVE_AFTER))
    quiet = Q(resolve_after__isnull=False, last_at__lt=ended) & Q(
        last_at__lt=now
    )  # the second condition lets the index be used
    open_ones = Alert.objects.filter(resolved_at__isnull=True)
    # Two queries, each with an index: as one, it would read every open alert.
    found = [*open_ones.filter(quiet), *open_ones.filter(last_at__lt=now - forget_after)]
    return [
        (alert, "by itself: quiet" if _is_quiet(alert, now) else f"{FORGOTTEN} after {human(forget_after)}"[:50])
        for alert in {alert.pk: alert for alert in found}.values()
    ]


def _is_quiet(alert: Alert, now: datetime) -> bool:
    return alert.resolve_after is not None and now - alert.last_at > alert.resolve_after


def prune(before: datetime) -> int:
    """Delete a batch of the alerts that were over by then, and their occurrences first; how many rows.

    Alerts that still have notifications stay; outbox/pruning.py deletes those first.
    """
    with transaction.atomic():
        # Locked, since a failure may reopen one of them at this moment.
        over = Alert.objects.select_for_update(of=("self",)).filter(resolved_at__lt=before, notifications__isnull=True)
        ids = list(over.order_by("resolved_at").values_list("pk", flat=True)[: retention.BATCH])
        return delete_some(Occurrence.objects.filter(alert__in=ids)) or delete_some(Alert.objects.filter(pk__in=ids))


def _waits(alert: Alert) -> bool:
    return Occurrence.objects.filter(alert=alert, recovered_at__isnull=True).exists()
