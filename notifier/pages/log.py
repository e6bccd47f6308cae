"""Who did what: every answer to every alert, the newest first."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from notifier.messages import answered
from notifier.models import LogEntry
from notifier.pages.access import Viewer, page, show

SIZE = 50


@require_safe
@page()
def log(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    rows = LogEntry.objects.select_related("alert").defer("alert__traceback", "alert__context", "alert__message")
    who, before = request.GET.get("who", "").strip(), request.GET.get("before", "")
    if who:
        rows = rows.filter(who__iexact=who)
    if before.isdecimal() and len(before) < 18:
        rows = rows.filter(pk__lt=int(before))
    found = list(rows.order_by("-pk")[: SIZE + 1])
    lines = [(entry, answered.story(answered.said(entry), viewer.now, viewer.zone)) for entry in found[:SIZE]]
    more = str(found[SIZE - 1].pk) if len(found) > SIZE else ""
    return show(request, viewer, "log", {"lines": lines, "more": more, "who": who})
