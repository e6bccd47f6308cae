"""What Twilio posts when somebody presses a key in a call. 200: done, with what to say. 403: not Twilio's."""

from __future__ import annotations

from datetime import datetime
from xml.sax.saxutils import escape

from django.contrib.auth.decorators import login_not_required
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from alerts_runtime.leasing import clock
from alerts_runtime.redaction.loggers import get_logger
from alerts_runtime.redaction.masking import masked
from notifier.answers import door, twilio_signed, who
from notifier.answers.commands import Asker, Command, Verb
from notifier.flow import heard
from notifier.messages import answer_link
from notifier.models import Notification

log = get_logger(__name__)

KEYS = {"4": Verb.ACKNOWLEDGE, "6": Verb.ESCALATE}


@csrf_exempt
@require_POST
@login_not_required
@transaction.non_atomic_requests
def twilio_voice(request: HttpRequest) -> HttpResponse:
    """https://www.twilio.com/docs/voice/twiml/gather#action"""
    if not twilio_signed.urls("answers"):
        raise Http404
    if not twilio_signed.can_be_stored(request):
        return HttpResponse(status=400)
    if not twilio_signed.is_signed(request, "answers"):
        log.warning("answer.refused", provider="twilio", reason="signature")
        return HttpResponse(status=403)
    pk, usable = answer_link.read(request.GET.get("link", ""))
    row = Notification.objects.select_related("target").filter(pk=pk).first() if usable else None
    # The link works only in a call to the number for which it was made.
    if row is None or row.target.address != request.POST.get("To", ""):
        return _say("This call can answer nothing any more.")
    verb = KEYS.get(request.POST.get("Digits", ""))
    if verb is None:
        return _say("This key does nothing. Nothing was done.")
    try:
        said = _answer(row, verb, f"twilio {request.POST.get('CallSid', '')} {verb}", clock.now())
    except Exception:
        log.exception("answer.lost", provider="twilio")
        return HttpResponse(status=503)
    return _say(said)


def _answer(row: Notification, verb: Verb, key: str, now: datetime) -> str:
    address = row.target.address
    with transaction.atomic():
        request, new = heard.begin(key, address, now)
        if not new:
            return request.answer
        asker = Asker(who.by_number(address) or masked(address), "voice", address)
        said = door.answer(Command(verb, row.alert_id), asker, now).sentence
        heard.end(request, said)
    return said


def _say(sentence: str) -> HttpResponse:
    body = f"<Say>{escape(sentence)}</Say><Hangup/>"
    return HttpResponse(f'<?xml version="1.0" encoding="UTF-8"?><Response>{body}</Response>', content_type="text/xml")
