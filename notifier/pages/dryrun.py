"""A dry run in the browser: what would become of a failure, and each message as its recipients would see it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_POST, require_safe

from notifier.config.conf import get_policy
from notifier.delivery.dryrun import Explanation, Heard, explain
from notifier.intake.as_if import failure_like
from notifier.oncall.present import policy_now
from notifier.pages import happened, preview
from notifier.pages.access import Viewer, page, show
from notifier.pages.routing import ASKED, drawn
from notifier.pages.times import moment


@dataclass(frozen=True, slots=True)
class Preview:
    """Who would hear of it, and what they would see."""

    heard: Heard
    slack: list[preview.Part] = field(default_factory=list)
    thread: list[preview.Part] = field(default_factory=list)
    sms: preview.Sms | None = None
    mail: str = ""  # where it is shown
    text: str = ""


@require_POST
@page(back="routing")
def dry_run(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """What would become of a failure. Nothing is sent, and all that is written is rolled back."""
    asked = {name: request.POST.get(name, "").strip() for name in ASKED}
    context: dict[str, Any] = {"asked": asked}
    try:
        at = (moment(asked["at"]) if asked["at"] else None) or viewer.now
        explanation = _explain(asked, at)
        context |= {"explanation": explanation, "previews": _previews(explanation, asked, at), "at": at}
    except ValueError as error:
        context["wrong"] = str(error)
    return show(request, viewer, "routing", drawn(viewer) | context, status=400 if "wrong" in context else 200)


@require_safe
@page()
@xframe_options_sameorigin
def mail(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """The mail of a dry run as its readers see it, for a frame of that page: a page of its own, without scripts."""
    asked = {name: request.GET.get(name, "").strip() for name in ASKED}
    try:
        heard = _explain(asked, moment(asked["at"]) or viewer.now).heard
    except ValueError as error:
        raise Http404(str(error)) from error
    wanted = request.GET.get("place", "")
    message = (
        heard[int(wanted)].message if wanted.isdecimal() and len(wanted) < 4 and int(wanted) < len(heard) else None
    )
    if message is None or not message.html:
        raise Http404(_("There is no such message."))
    response = HttpResponse(preview.mail(message))
    response["Content-Security-Policy"] = (
        "sandbox; default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'"
    )
    response["Referrer-Policy"] = "no-referrer"
    return response


def _explain(asked: dict[str, str], at: datetime) -> Explanation:
    if not asked["event"] or not asked["exception"]:
        raise ValueError(_("Name an event and an exception, such as invoice.paid and builtins.KeyError."))
    attempt = asked["attempt"] or "1"
    if not attempt.isdecimal() or len(attempt) > 4:
        raise ValueError(_("The attempt is a number from 1 on."))
    failure = failure_like(
        _event(asked["event"]),
        asked["exception"],
        message=asked["message"][:500],
        attempt=max(int(attempt), 1),
        will_retry=not asked["last"],
        livemode=asked["mode"] != "test",
        now=at,
    )
    if asked["failure"]:
        failure = happened.as_it_happened(failure, asked["failure"])
    return explain(failure, policy_now(at), at)


def _event(wanted: str) -> bytes | str:
    """A type; or, of an event that is stored here, its body, with its customer and its amount."""
    if not wanted.startswith("evt_"):
        return wanted
    body = happened.body_of(wanted)
    if body is None:
        text = _("No event %(event)s is stored here. A type, such as invoice.paid, will do.")
        raise ValueError(text % {"event": wanted[:60]})
    return body.encode()


def _previews(explanation: Explanation, asked: dict[str, str], at: datetime) -> list[Preview]:
    """Each message as its recipient would see it, beside who hears of it."""
    query = urlencode({**asked, "at": at.isoformat()})
    mails = f"{reverse('notifier_pages:mail')}?{query}"
    return [_preview(heard, f"{mails}&place={place}") for place, heard in enumerate(explanation.heard)]


def _preview(heard: Heard, mail: str) -> Preview:
    kind, message = heard.target.kind, heard.message
    if message is None:
        return Preview(heard)
    if kind in ("slack", "slack_webhook"):
        card = preview.slack(message, buttons=_has_buttons(heard))
        return Preview(heard, slack=card, thread=preview.in_thread(message))
    if kind == "sms":
        return Preview(heard, sms=preview.sms(message))
    return (
        Preview(heard, mail=mail) if kind == "email" and message.html else Preview(heard, text=preview.plain(message))
    )


def _has_buttons(heard: Heard) -> bool:
    """Whether Slack has a way back here: signed requests, or Socket Mode."""
    options = get_policy().channels[heard.target.channel].options
    return heard.target.kind == "slack" and bool(options.get("signing_secret") or options.get("app_token"))
