"""What the demo promises, looked up in its database. Each function waits for it and raises BrokenPromiseError."""

from __future__ import annotations

from django.db.models import Q, QuerySet

from demo.scenes import Scene
from demo.site import BrokenPromiseError, Site
from notifier.facts import Reason, Result, Severity
from notifier.models import Alert, Attempt, Digest, Notification
from webhooks.models import Refusal, WebhookEvent

State = WebhookEvent.State


def was_refused(site: Site, scene: Scene) -> None:
    """Wait until the refused request is counted, and nothing of it is stored."""
    site.wait(Refusal.objects.exists, f"the refusal of {scene.event_id} was not counted")
    if WebhookEvent.objects.filter(event_id=scene.event_id).exists():
        raise BrokenPromiseError(f"{scene.event_id} was stored although its signature is wrong")


def was_handled(site: Site, scene: Scene) -> None:
    handled = WebhookEvent.objects.filter(event_id=scene.event_id, state=State.PROCESSED, how_processed="first")
    site.wait(handled.exists, f"{scene.event_id} was not handled at the first attempt")


def became_alert(site: Site, scene: Scene) -> Alert:
    """Wait for an alert with the severity and the channels that the scene says."""
    severity = scene.severity or Severity.INFO
    alerts = Alert.objects.filter(occurrences__event_id=scene.event_id, severity=severity)
    alert = site.wait(alerts.first, f"no alert came of {scene.event_id} that is {severity.label}")
    channels = set(alert.notifications.values_list("target__channel", flat=True))
    if channels != scene.told:
        raise BrokenPromiseError(f"alert {alert.pk} goes to {_names(channels)}, and not to {_names(scene.told)}")
    return alert


def were_told(site: Site, alert: Alert) -> None:
    """Wait until every recipient has been told of the alert, with its present severity."""
    ignorant = alert.notifications.filter(Q(told_severity__isnull=True) | Q(told_severity__lt=alert.severity))
    _wait_for_deliveries(site, ignorant, f"was not told that it is {Severity(alert.severity).label}")


def was_over(site: Site, scene: Scene) -> Alert:
    """Wait until the event is processed as the scene says, and its alert is resolved."""
    how = WebhookEvent.How.REPLAY if scene.replayed else WebhookEvent.How.RETRY
    done = WebhookEvent.objects.filter(event_id=scene.event_id, state=State.PROCESSED, how_processed=how)
    site.wait(done.exists, f"{scene.event_id} was not processed {how.label}", within=60)
    resolved = Alert.objects.filter(occurrences__event_id=scene.event_id, resolved_at__isnull=False)
    return site.wait(resolved.first, f"the alert on {scene.event_id} was not resolved")


def were_told_the_end(site: Site, alert: Alert) -> list[Notification]:
    """Wait until all who were told of the alert are told of its end; returns those for whom the rate holds that."""
    ignorant = alert.notifications.filter(told_resolved=False)
    held = ignorant.filter(reason=Reason.RESOLVED, due_at__isnull=False, target__next_at__isnull=False)
    held = held.filter(target__waits_for="rate", target__channel="oncall")
    _wait_for_deliveries(site, ignorant.exclude(pk__in=held.values("pk")), "was not told that it is over")
    return list(held.select_related("target", "alert"))


def was_sent(site: Site, digest: str) -> None:
    sent = Digest.objects.filter(name=digest, sent_at__isnull=False)
    try:
        site.wait(sent.exists, f"the {digest} digest was not sent")
    except BrokenPromiseError as broken:
        raise BrokenPromiseError(f"{broken}{_last_words()}") from None


def _wait_for_deliveries(site: Site, ignorant: QuerySet[Notification], otherwise: str) -> None:
    def nobody_waits() -> bool:
        refused = Attempt.objects.filter(parts_told__notification__in=ignorant, result=Result.REJECTED).first()
        if refused is not None:
            raise BrokenPromiseError(f"{refused.target.channel} {otherwise}")
        return not ignorant.exists()

    try:
        site.wait(nobody_waits, f"somebody {otherwise}")
    except BrokenPromiseError as broken:
        raise BrokenPromiseError(f"{broken}{_last_words()}") from None


def _last_words() -> str:
    """What the provider said last when it did not take a message."""
    failed = Attempt.objects.exclude(result__in=[Result.DELIVERED, Result.SENDING]).order_by("-pk").first()
    return f"; {failed.target.channel}: {failed.result}, {failed.code} {failed.detail}".rstrip() if failed else ""


def _names(channels: set[str] | frozenset[str]) -> str:
    return ", ".join(sorted(channels)) or "nobody"
