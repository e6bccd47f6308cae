"""The buttons of an alert's page. Each is carried out by notifier.answers, and the page says what came of it."""

from __future__ import annotations

from datetime import timedelta

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from notifier.answers.commands import Asker, Command, Verb
from notifier.answers.door import answer
from notifier.judge.durations import parse_duration
from notifier.pages.access import Viewer, next_page, page, say
from notifier.pages.groups import ACT

# What the page has buttons for.
_OFFERED = (
    Verb.ACKNOWLEDGE,
    Verb.TAKE_BACK,
    Verb.RESOLVE,
    Verb.REPLAY,
    Verb.REHEARSE,
    Verb.ESCALATE,
    Verb.IGNORE,
    Verb.COMMENT,
)
VERBS = {verb.name.lower(): verb for verb in _OFFERED}


@require_POST
@page(ACT, back="alert")
def act(request: HttpRequest, viewer: Viewer, number: int, verb: str) -> HttpResponse:
    """Do what the button says. If two people press it, it is done once, and both are told."""
    there = next_page(request, reverse("notifier_pages:alert", args=[number]))
    if verb not in VERBS:
        say(request, _("There is no such button."), done=False)
        return redirect(there)
    try:
        duration = _duration(request.POST.get("for", ""))
    except ValueError as error:
        say(request, _("For how long? %(why)s") % {"why": error}, done=False)
        return redirect(there)
    text = request.POST.get("text", "").strip()
    found = answer(Command(VERBS[verb], number, duration, text), Asker(viewer.name, "page"), viewer.now)
    say(request, found.sentence, done=found.changed)
    return redirect(there)


def _duration(text: str) -> timedelta | None:
    return parse_duration(text) if text.strip() else None
