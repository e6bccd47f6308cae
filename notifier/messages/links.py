"""The links in messages: the alert's page, the page on which its recipient answers, the event at Stripe."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from urllib.parse import quote

from django.urls import NoReverseMatch, reverse

from notifier.facts import Link
from notifier.messages import answer_link
from notifier.messages.telling import Totals
from notifier.models import Alert, Notification

DASHBOARD = "https://dashboard.stripe.com/"


def alert_url(alert_id: int, site_url: str) -> str:
    """The alert's page: of the operator's pages or, if those are not mounted, of the admin.

    "" when SITE_URL is not set, or neither is mounted.
    """
    return _page_url(site_url, ("notifier_pages:alert", "admin:swa_notifier_alert_change"), alert_id)


def alerts_url(site_url: str) -> str:
    """The page of all alerts, in the same way."""
    return _page_url(site_url, ("notifier_pages:now", "admin:swa_notifier_alert_changelist"))


def answer_url(notification: Notification, site_url: str) -> str:
    """Where a recipient can answer an alert; "" when SITE_URL is not set or the pages are not mounted."""
    return _page_url(site_url, ("notifier_pages:answer",), answer_link.token(notification.pk)) if site_url else ""


def _page_url(site_url: str, names: Iterable[str], *args: int | str) -> str:
    for name in names if site_url else ():
        with suppress(NoReverseMatch):
            return site_url.rstrip("/") + reverse(name, args=args)
    return ""


def event_url(event_id: str, *, livemode: bool, account: str = "") -> str:
    """The event in Stripe's dashboard; `account` is the Connect account that it belongs to."""
    place = [quote(account, safe="")] if account else []
    return DASHBOARD + "/".join([*place, *([] if livemode else ["test"]), "events", quote(event_id, safe="")])


def links_of(alert: Alert, totals: Totals, site_url: str) -> Iterable[Link]:
    page = alert_url(alert.pk, site_url)
    if page:
        yield Link(f"Open alert {alert.pk}", page)
    if alert.source == "webhook" and totals.newest_event:
        text = "Open in Stripe" if totals.events == 1 else "Open the newest event in Stripe"
        yield Link(text, event_url(totals.newest_event, livemode=alert.livemode, account=alert.account))
