"""The events: found by what is known of them, and each with what became of it."""

from __future__ import annotations

from django.core.cache import cache
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from notifier.alerts.log import append
from notifier.answers import door
from notifier.answers.commands import Asker, Command, Verb
from notifier.flow.never_again import waits
from notifier.messages.links import event_url
from notifier.models import Alert, LogEntry
from notifier.pages import inbox, typed
from notifier.pages.access import Viewer, page, say, show
from notifier.pages.groups import ACT
from notifier.pages.times import moment
from webhooks.models import WebhookEvent

ASKED = ("q", "type", "state", "account", "mode", "since", "until")
KEEP = 60  # seconds


@require_safe
@page()
def events(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    asked = {name: request.GET.get(name, "").strip() for name in ASKED}
    found = inbox.search(asked, moment(asked["since"]), moment(asked["until"]), moment(request.GET.get("before", "")))
    if len(found.events) == 1 and found.events[0].event_id == asked["q"]:
        return redirect("notifier_pages:event", found.events[0].event_id)
    return show(
        request,
        viewer,
        "events",
        {
            "found": found,
            "asked": asked,
            "filtered": any(asked.values()),
            "more_asked": any(value for name, value in asked.items() if name != "q"),
            "states": inbox.STATES,
            "types": cache.get_or_set("notifier.pages.types", lambda: inbox.by_type(viewer.now), KEEP),
        },
    )


@require_safe
@page()
def event(request: HttpRequest, viewer: Viewer, event_id: str) -> HttpResponse:
    row = _found(event_id)
    failures = inbox.failures(row)
    alerts = inbox.alerts_of(failures)
    return show(
        request,
        viewer,
        "event",
        {
            "event": row,
            "attempts": inbox.attempts(row, failures),
            "alerts": alerts,
            "may_be_dropped": bool(alerts) and row.state in inbox.WAITS,
            "dropped": _decision(row, alerts) if row.state == WebhookEvent.State.DROPPED else None,
            "typed": typed.of(request).get("text", ""),
            "handlers": inbox.handlers(row.type),
            "payload": inbox.payload(row, whole=viewer.may_read_payloads),
            "stripe": event_url(row.event_id, livemode=row.livemode, account=row.account),
            "older": len(failures) >= inbox.FAILURES,
        },
    )


@require_POST
@page(ACT, back="event")
def again(request: HttpRequest, viewer: Viewer, event_id: str) -> HttpResponse:
    row = _found(event_id)
    with transaction.atomic():
        done = inbox.process_again(row, viewer.now, processed_too=bool(request.POST.get("processed")))
        for alert in inbox.alerts_of(inbox.failures(row)) if done else ():
            append(alert, Verb.REPLAY, viewer.now, who=viewer.name, through="page", detail=row.event_id)
    if done:
        say(request, _("%(event)s is processed again, as soon as a worker is free.") % {"event": row.event_id})
    else:
        say(request, _why_not(row), done=False)
    return redirect(reverse("notifier_pages:event", args=[row.event_id]))


@require_POST
@page(ACT, back="event")
def never_again(request: HttpRequest, viewer: Viewer, event_id: str) -> HttpResponse:
    """No retry, no replay and no resend is to run it; and what that means for its alert is said."""
    return _decide(request, viewer, _found(event_id), Verb.NEVER_AGAIN)


@require_POST
@page(ACT, back="event")
def run_again(request: HttpRequest, viewer: Viewer, event_id: str) -> HttpResponse:
    return _decide(request, viewer, _found(event_id), Verb.RUN_AGAIN)


def _decide(request: HttpRequest, viewer: Viewer, row: WebhookEvent, verb: Verb) -> HttpResponse:
    there = redirect(reverse("notifier_pages:event", args=[row.event_id]))
    alerts = inbox.alerts_of(inbox.failures(row))
    if not alerts:
        say(request, _("It is on no alert: nothing waits for it."), done=False)
        return there
    command = Command(verb, alerts[0].pk, text=request.POST.get("text", "").strip(), event_id=row.event_id)
    with transaction.atomic():
        door.lock(alert.pk for alert in alerts)
        done = door.answer(command, Asker(viewer.name, "page"), viewer.now)
    said = [done.sentence, *(_stands(alert) for alert in alerts if done.changed and alert.resolved_at is None)]
    say(request, " ".join(said), done=done.changed)
    return there


def _stands(alert: Alert) -> str:
    """What that meant for an alert that was open before."""
    alert.refresh_from_db(fields=["resolved_at"])
    if alert.resolved_at:
        return _("Alert %(number)s is over: nothing else of it waits.") % {"number": alert.pk}
    left = waits(alert)
    text = ngettext("Alert %(number)s waits for %(n)s event.", "Alert %(number)s waits for %(n)s events.", left)
    return text % {"number": alert.pk, "n": left}


def _decision(row: WebhookEvent, alerts: list[Alert]) -> LogEntry | None:
    """Who said that it is never run again, when, and why."""
    said = LogEntry.objects.filter(alert__in=alerts, verb=Verb.NEVER_AGAIN, changed=True, detail=row.event_id)
    return said.order_by("-pk").first()


def _why_not(row: WebhookEvent) -> str:
    row.refresh_from_db(fields=["state"])
    if row.state == WebhookEvent.State.PROCESSED:
        return _("It is processed. To run its handlers again with all their effects, tick the box beside the button.")
    if row.state == WebhookEvent.State.IGNORED:
        return _("It is of the mode that its endpoint does not handle, and is kept unprocessed.")
    if row.state == WebhookEvent.State.DROPPED:
        return _("It is never to be run again. Whoever knows better takes that back first.")
    return _("It is being processed, or its turn comes at once.")


def _found(event_id: str) -> WebhookEvent:
    row = inbox.event(event_id)
    if row is None:
        text = _("No event %(event)s is stored here. It may have been deleted by age, or never arrived.")
        raise Http404(text % {"event": event_id[:60]})
    return row
