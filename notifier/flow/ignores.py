"""The only writer of Ignored: kinds of alert that are counted, and not told until their code changes.

A silence ends at a time. This ends by hand, or with the first failure after the source of the failing function or
NOTIFIER["RELEASE"] has changed. Then what was counted meanwhile is told as well.
"""

from __future__ import annotations

from datetime import datetime

from django.db import IntegrityError, transaction

from alerts_runtime.redaction.loggers import get_logger
from alerts_runtime.redaction.redact import redact
from notifier.alerts import store
from notifier.alerts.counting import Recorded
from notifier.config.conf import get_policy
from notifier.facts import Failure, HeldBy
from notifier.flow.own_code import code_of
from notifier.models import Alert, Ignored
from notifier.outbox import holding

log = get_logger(__name__)


def ignore(alert: Alert, *, author: str, now: datetime, comment: str = "") -> tuple[Ignored, bool]:
    """Begin to ignore this alert's kind; the row that says so, and whether it is new.

    Whoever was told of an alert is still told when it is over.
    """
    frame = alert.frame or {}
    module, function = str(frame.get("module", "")), str(frame.get("function", ""))
    row = Ignored(
        fingerprint=alert.fingerprint,
        title=alert.headline[:300],
        module=module,
        function=function,
        code=code_of(module, function) if module else "",
        release=get_policy().release,
        author=redact(author, limit=150),
        comment=redact(comment, limit=500),
        created_at=now,
    )
    try:
        with transaction.atomic():
            row.save()
            store.set_ignored(alert.fingerprint, row.pk)
    except IntegrityError:
        if (known := in_force(alert.fingerprint)) is not None:
            return known, False
        raise
    alert.ignored = row
    log.info("ignore.begun", alert=alert.pk, ignore=row.pk, until=until(row))
    return row, True


def end(row: Ignored, how: str, now: datetime) -> int:
    """Stop ignoring a kind; how many held messages are judged now. `how`: "by ada", "billing changed"."""
    with transaction.atomic():
        changed = Ignored.objects.filter(pk=row.pk, ended_at__isnull=True).update(
            ended_at=now, ended_how=redact(how, limit=150)
        )
        if not changed:
            return 0
        store.no_longer_ignored(row.pk)
        log.info("ignore.ended", ignore=row.pk, how=how)
        return holding.release_held(HeldBy.IGNORED, now, ref=row.pk)


def in_force(fingerprint: str) -> Ignored | None:
    return Ignored.objects.filter(fingerprint=fingerprint, ended_at__isnull=True).first()


def until(row: Ignored) -> str:
    """When it ends by itself, in words."""
    ends = [f"{row.module}.{row.function} changes"] if row.code else []
    ends += [f"another release than {row.release}"] if row.release else []
    if not ends:
        return "until somebody takes it back: nothing says when its code changes"
    return f"until {' or '.join(ends)}"


def heed(recorded: Recorded, failure: Failure, release: str, now: datetime) -> bool:
    """Stop ignoring the kind of a failure that was just counted if its code has changed; True when it has."""
    row = Ignored.objects.filter(pk=recorded.ignored).first() if recorded.ignored else None
    if row is None or not (how := _changed(row, failure, release)):
        return False
    end(row, how, now)
    return True


def catch_up() -> None:
    """Ignore alerts that opened at the very moment at which their kind began to be ignored."""
    for row in Ignored.objects.filter(ended_at__isnull=True):
        if Alert.objects.filter(fingerprint=row.fingerprint, resolved_at__isnull=True, ignored__isnull=True).exists():
            store.set_ignored(row.fingerprint, row.pk)


def prune(before: datetime) -> int:
    """Delete those that ended before then; how many rows."""
    return Ignored.objects.filter(ended_at__lt=before).delete()[0]


def _changed(row: Ignored, failure: Failure, release: str) -> str:
    """How the code has changed since it is ignored; empty when it has not, or that is not known."""
    if row.release and release and release != row.release:
        return f"release {release}"
    frame = failure.frame
    if not row.code or frame is None or (frame.module, frame.function) != (row.module, row.function):
        return ""  # during an outage it fails in several places: another place is no change
    code = code_of(frame.module, frame.function)
    return f"{frame.module}.{frame.function} changed" if code and code != row.code else ""
