"""The last resort: when no channel can take an alert, the log at CRITICAL and the site's admins."""

from __future__ import annotations

from alerts_runtime.isolation import last_resort
from alerts_runtime.redaction.loggers import get_logger
from alerts_runtime.redaction.masking import masked
from notifier.facts import Severity
from notifier.judge.builtin import while_it_holds
from notifier.models import Alert, Notification

log = get_logger(__name__)


def not_delivered(alert: Alert, why: str, of: Notification | None = None) -> None:
    """Log at CRITICAL and mail the admins that an alert cannot be delivered.

    Never raises; the mail has its own thread.
    """
    log.critical(
        "alert.not_delivered",
        alert=alert.pk,
        severity=Severity(alert.severity).label,
        over=alert.resolved_at is not None,
        headline=alert.headline,
        reason=why,
    )
    last_resort.mail(f"not delivered: {why}", f"[{_state(alert)}] {alert.headline}", _text(alert, why, of))


def not_acknowledged(alert: Alert) -> None:
    """The same for an alert whose escalation has run through without an acknowledgement. Never raises."""
    told = sorted(set(alert.notifications.filter(told_at__isnull=False).values_list("target__channel", flat=True)))
    log.critical(
        "alert.not_acknowledged",
        alert=alert.pk,
        severity=Severity(alert.severity).label,
        headline=alert.headline,
        told=told,
    )
    heard = f"Told by {', '.join(told)}." if told else "Nobody could be told."
    hint = while_it_holds(alert.hint, waits=alert.will_retry)
    last_resort.mail(
        f"not acknowledged: alert {alert.pk}",  # one mail for each alert
        f"[{_state(alert)}] Nobody has acknowledged it: {alert.headline}",
        f"Alert {alert.pk} has not been acknowledged, and no step of its escalation is left. {heard}\n\n{hint}",
    )


def _state(alert: Alert) -> str:
    return "over" if alert.resolved_at is not None else Severity(alert.severity).label


def _text(alert: Alert, why: str, of: Notification | None) -> str:
    others = alert.notifications.filter(told_at__isnull=False).exclude(pk=of.pk).count() if of else 0
    who = f"{of.target.channel} {masked(of.target.address)}" if of else "its recipient"
    if alert.resolved_at is not None:
        how = f" ({alert.resolved_how})" if alert.resolved_how else ""
        return f"Alert {alert.pk} is over{how}. {who} was told that it began, and cannot be told this ({why})."
    hint = while_it_holds(alert.hint, waits=alert.will_retry)
    if others:
        told = "1 other recipient was" if others == 1 else f"{others} other recipients were"
        return f"{who} could not be told of alert {alert.pk} ({why}); {told}.\n\n{hint}"
    return f"Alert {alert.pk} could not be delivered ({why}) and no other channel stands in.\n\n{hint}"
