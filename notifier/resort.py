"""The last resort: when no channel can take an alert, the log at CRITICAL and the site's admins."""

from __future__ import annotations

import threading

import structlog
from django.core.mail import mail_admins

from notifier.builtin import while_it_holds
from notifier.facts import Severity
from notifier.models import Alert

log = structlog.get_logger(__name__)


def cry(alert: Alert, why: str) -> None:
    """Say it where somebody may still see it. Never raises; the mail goes off this thread."""
    severity = Severity(alert.severity).label
    log.critical(
        "alert could not be delivered",
        alert=alert.pk,
        severity=severity,
        headline=alert.headline,
        because=why,
    )
    subject = f"[{severity}] {alert.headline}"
    hint = while_it_holds(alert.hint, waits=alert.will_retry)
    text = f"Alert {alert.pk} could not be delivered ({why}) and no other channel stands in.\n\n{hint}"
    threading.Thread(target=_mail, args=(subject, text), name="last-resort", daemon=True).start()


def _mail(subject: str, text: str) -> None:
    try:
        mail_admins(subject.replace("\n", " "), text)
    except Exception:  # the log has it already; this thread has nobody to tell
        log.exception("the admins could not be mailed")
