"""One alert: what it is, what to do, what happened, and whom it concerns. The messages' links lead here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Case, Count, F, Max, Q, When
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from notifier.config.conf import get_policy
from notifier.facts import Money
from notifier.flow import steps as steps_ahead
from notifier.judge.money import format_money
from notifier.messages import phrases
from notifier.messages.links import event_url
from notifier.messages.telling import Story
from notifier.models import Alert, Notification, Occurrence
from notifier.oncall.present import policy_now
from notifier.pages import stack, stories, timeline, typed
from notifier.pages.access import Viewer, guarded, page, show

EVENTS = 15  # on a page
EARLIER = 5  # alerts of the same kind


@dataclass(frozen=True, slots=True)
class Row:
    """One event in the alert's list."""

    occurrence: Occurrence  # the newest
    failed: int  # how often
    money: str
    link: str  # to Stripe
    page: str  # of the event here; "": there is none


@require_safe
@page()
def alert(request: HttpRequest, viewer: Viewer, number: int) -> HttpResponse:
    row = found(number)
    return show(request, viewer, "alert", context(request, viewer, row))


@require_safe
@page()
def export(request: HttpRequest, viewer: Viewer, number: int) -> HttpResponse:
    """The whole story as Markdown, for a post-mortem."""
    row = found(number)
    response = show(request, viewer, "alert_md", context(request, viewer, row))
    response["Content-Type"] = "text/markdown; charset=utf-8"
    response["Content-Disposition"] = f'attachment; filename="alert-{row.pk}.md"'
    return guarded(response)


def found(number: int) -> Alert:
    row = Alert.objects.select_related("ignored").filter(pk=number).first() if number < 2**63 else None
    if row is None:
        raise Http404(_("There is no alert %(number)s. It may have been deleted by age.") % {"number": number})
    return row


def context(request: HttpRequest, viewer: Viewer, row: Alert) -> dict[str, Any]:
    told = stories.whole(row, viewer)
    notifications = list(Notification.objects.filter(alert=row).select_related("target").order_by("pk"))
    entries, older = timeline.timeline(row, notifications, viewer.zone, viewer.now)
    frames = stack.frames(row.traceback)
    rows, more = events(row, request.GET.get("find", "").strip(), request.GET.get("from", ""))
    until = row.acknowledged_until
    steps = steps_ahead.coming(row, policy_now(viewer.now), viewer.now)
    return {
        "alert": row,
        "story": told,
        "headline": phrases.headline(told),
        "at_stake": stories.Line(row, told).facts,
        "facts": facts(told),
        "error": phrases.error(told),
        "todo": phrases.action(told),
        "progress": phrases.progress(told),
        "with_it": phrases.held_with_it(told),
        "acknowledge_for": get_policy().acknowledge_for,
        "waiting": told.totals.events - told.totals.recovered_events,
        "escalates": row.resolved_at is None and bool(steps),
        "steps": steps,
        "ignored": row.ignored,
        "typed": typed.of(request),
        "acknowledged": until is not None and until > viewer.now and row.resolved_at is None,
        "own": [frame for frame in frames if frame.own],
        "foreign": [frame for frame in frames if not frame.own],
        "entries": entries,
        "older": older,
        "plans": timeline.plans(notifications, viewer.now),
        "notifications": notifications,
        "rows": rows,
        "more": more,
        "find": request.GET.get("find", ""),
        "before": earlier(row),
        "stripe": event_url(told.totals.newest_event, livemode=row.livemode, account=row.account)
        if row.source == "webhook" and told.totals.newest_event
        else "",
    }


def facts(told: Story) -> list[tuple[str, str]]:
    rows = [(fact.label, fact.value) for fact in phrases.facts(told)]
    if told.resolved_at and told.totals.recovered:
        rows.insert(0, (_("Recovered"), phrases.money(told, told.totals.recovered)))
    return rows


def events(row: Alert, find: str, start: str) -> tuple[list[Row], str]:
    """A page of its events, each with its newest failure, and from which number the next page goes on.

    `find` is an event's, an object's or a customer's id, or a type. What is about no event is listed failure by
    failure.
    """
    rows = Occurrence.objects.filter(alert=row)
    if find:
        rows = rows.filter(Q(event_id=find) | Q(object_id=find) | Q(customer=find) | Q(event_type=find))
    subject = Case(When(event_id="", then=F("key")), default=F("event_id"))
    newest = rows.values(subject=subject).annotate(newest=Max("seq"), failed=Count("pk")).order_by("-newest")
    if start.isdecimal() and len(start) < 10:
        newest = newest.filter(newest__lt=int(start))
    some = {one["newest"]: one["failed"] for one in newest[: EVENTS + 1]}
    shown = Occurrence.objects.filter(alert=row, seq__in=list(some)[:EVENTS]).order_by("-seq")
    found = [_row(one, row, some[one.seq]) for one in shown]
    return found, str(found[-1].occurrence.seq) if len(some) > EVENTS else ""


def earlier(row: Alert) -> list[Alert]:
    """The same problem before: it was mended once, and how may be worth knowing."""
    same = Alert.objects.filter(fingerprint=row.fingerprint).exclude(pk=row.pk)
    return list(same.order_by("-resolved_at").only("pk", "opened_at", "resolved_at", "resolved_how", "count")[:EARLIER])


def _row(one: Occurrence, alert: Alert, failed: int) -> Row:
    money = format_money(Money(one.amount, one.currency)) if one.amount is not None and one.currency else ""
    if not money and one.currency:
        money = _("amount unknown")
    link = event_url(one.event_id, livemode=alert.livemode, account=alert.account) if one.event_id else ""
    return Row(one, failed, money, link, event_page(one.event_id))


def event_page(event_id: str) -> str:
    """The event's page here; "" without one: the events may be dj-stripe's."""
    try:
        return reverse("notifier_pages:event", args=[event_id]) if event_id else ""
    except NoReverseMatch:
        return ""
