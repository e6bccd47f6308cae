"""The page behind the link in a mail: it shows an alert with buttons. Opening it changes nothing.

Whoever has the link answers as the recipient that it was sent to, without an account. Mail scanners open links: only
a button's POST does anything.
"""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.decorators import login_not_required
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from alerts_runtime.leasing import clock
from alerts_runtime.redaction.masking import masked
from notifier.answers import door
from notifier.answers.commands import Asker, Command, Verb
from notifier.config.conf import get_policy
from notifier.facts import Severity
from notifier.flow import silences
from notifier.judge.durations import parse_duration
from notifier.judge.oncall.people import by_address
from notifier.messages import answer_link
from notifier.messages.answered import how_it_stands
from notifier.models import Alert, Notification
from notifier.pages.access import guarded

# Each button's value, and what it does.
BUTTONS = {
    "acknowledge": (Verb.ACKNOWLEDGE, ""),
    "take-back": (Verb.TAKE_BACK, ""),
    "resolve": (Verb.RESOLVE, ""),
    "silence-1h": (Verb.SILENCE, "1h"),
    "silence-4h": (Verb.SILENCE, "4h"),
    "end-silence": (Verb.UNSILENCE, ""),
    "replay": (Verb.REPLAY, ""),
}


@csrf_exempt  # whoever can forge a post here has the secret link already
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@login_not_required
@transaction.non_atomic_requests
def answer(request: HttpRequest, token: str) -> HttpResponse:
    pk, usable = answer_link.read(token)
    rows = Notification.objects.select_related("alert", "target").defer("alert__traceback", "alert__context")
    row = rows.filter(pk=pk).first() if pk else None
    if row is None:
        raise Http404
    said, done = "", False
    button = BUTTONS.get(request.POST.get("answer", ""))
    if request.method == "POST" and usable and button is not None:
        verb, lasting = button
        command = Command(verb, row.alert_id, parse_duration(lasting) if lasting else None)
        found = door.answer(command, _asker(row), clock.now())
        said, done = found.sentence, found.changed
        row.alert.refresh_from_db()
    context = {"usable": usable, "said": said, "done": done, "page": "answer", **_shown(row.alert, clock.now())}
    response = guarded(render(request, "notifier/pages/answer.html", context, status=200 if usable else 410))
    response["Referrer-Policy"] = "no-referrer"  # the address is secret
    response["X-Robots-Tag"] = "noindex"
    return response


def _shown(alert: Alert, now: datetime) -> dict[str, object]:
    return {
        "alert": alert,
        "severity": Severity(alert.severity).label,
        "stands": how_it_stands(alert, now, get_policy().tz),
        "open": alert.resolved_at is None,
        "has_it": alert.acknowledged_until is not None and alert.acknowledged_until > now,
        "silenced": bool(silences.of_match({"fingerprint": alert.fingerprint}, now)),
        "waits": alert.occurrences.filter(recovered_at__isnull=True).exclude(event_id="").exists(),
    }


def _asker(row: Notification) -> Asker:
    """Whom the link was sent to."""
    address = row.target.address
    person = by_address(get_policy().people.values(), address)
    return Asker(person.name if person else masked(address), "link", address)
