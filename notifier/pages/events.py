"""The events: found by what is known of them, and each with what became of it."""

from __future__ import annotations

from django.core.cache import cache
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from notifier.messages.links import event_url
from notifier.pages import inbox
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
            "states": inbox.STATES,
            "types": cache.get_or_set("notifier.pages.types", lambda: inbox.by_type(viewer.now), KEEP),
        },
    )


@require_safe
@page()
def event(request: HttpRequest, viewer: Viewer, event_id: str) -> HttpResponse:
    row = _found(event_id)
    failures = inbox.failures(row)
    return show(
        request,
        viewer,
        "event",
        {
            "event": row,
            "failures": failures,
            "alerts": inbox.alerts_of(failures),
            "handlers": inbox.handlers(row.type),
            "payload": inbox.payload(row, whole=viewer.may_read_payloads),
            "stripe": event_url(row.event_id, livemode=row.livemode, account=row.account),
            "most": inbox.FAILURES,
        },
    )


@require_POST
@page(ACT, back="event")
def again(request: HttpRequest, viewer: Viewer, event_id: str) -> HttpResponse:
    row = _found(event_id)
    done = inbox.process_again(row, viewer.now, processed_too=bool(request.POST.get("processed")))
    if done:
        say(request, _("%(event)s is processed again, as soon as a worker is free.") % {"event": row.event_id})
    else:
        say(request, _why_not(row), done=False)
    return redirect(reverse("notifier_pages:event", args=[row.event_id]))


def _why_not(row: WebhookEvent) -> str:
    row.refresh_from_db(fields=["state"])
    if row.state == WebhookEvent.State.PROCESSED:
        return _("It is processed. To run its handlers again with all their effects, tick the box beside the button.")
    if row.state == WebhookEvent.State.IGNORED:
        return _("It is of the mode that its endpoint does not handle, and is kept unprocessed.")
    return _("It is being processed, or its turn comes at once.")


def _found(event_id: str) -> WebhookEvent:
    row = inbox.event(event_id)
    if row is None:
        text = _("No event %(event)s is stored here. It may have been deleted by age, or never arrived.")
        raise Http404(text % {"event": event_id[:60]})
    return row
