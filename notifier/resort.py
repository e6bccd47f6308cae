"""The last resort: when no channel can take an alert, the log at CRITICAL and the site's admins."""

from __future__ import annotations

import structlog

from core import last_resort
from notifier.builtin import while_it_holds
from notifier.facts import Severity
from notifier.masking import masked
from notifier.models import Alert, Notification

log = structlog.get_logger(__name__)


def cry(alert: Alert, why: str, of: Notification | None = None) -> None:
    """Say it where somebody may still see it. Never raises; the mail goes off this thread."""
    severity = Severity(alert.severity).label
    log.critical(
        "alert could not be delivered",
        alert=alert.pk,
        severity=severity,
        headline=alert.headline,
        because=why,
    )
    hint = while_it_holds(alert.hint, waits=alert.will_retry)
    others = alert.notifications.filter(told_at__isnull=False).exclude(pk=of.pk).count() if of else 0
    if of is not None and others:
        who = f"{of.target.channel} {masked(of.target.address)}"
        text = f"{who} could not be told of alert {alert.pk} ({why}); {others} other recipient(s) have been.\n\n{hint}"
    else:
        text = f"Alert {alert.pk} could not be delivered ({why}) and no other channel stands in.\n\n{hint}"
    last_resort.mail(f"not delivered: {why}", f"[{severity}] {alert.headline}", text)
