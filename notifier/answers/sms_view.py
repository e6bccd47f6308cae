"""What Twilio posts for an SMS to us. 200: done, with what to answer. 403: not Twilio's. 404: not set up."""

from __future__ import annotations

from xml.sax.saxutils import escape

from django.contrib.auth.decorators import login_not_required
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from alerts_runtime.leasing import clock
from alerts_runtime.redaction.loggers import get_logger
from notifier.answers import sms, twilio_signed

log = get_logger(__name__)


@csrf_exempt
@require_POST
@login_not_required
@transaction.non_atomic_requests
def twilio_answers(request: HttpRequest) -> HttpResponse:
    """A message that came in: https://www.twilio.com/docs/messaging/guides/webhook-request

    Its answer is TwiML: https://www.twilio.com/docs/messaging/twiml
    """
    if not twilio_signed.urls("inbound"):
        raise Http404
    if not twilio_signed.can_be_stored(request):
        return HttpResponse(status=400)
    if not twilio_signed.is_signed(request, "inbound"):
        log.warning("answer.refused", provider="twilio", reason="signature")
        return HttpResponse(status=403)
    sid, sender = request.POST.get("MessageSid", ""), request.POST.get("From", "")
    if not sid or not sender:
        return HttpResponse(status=400)
    opted = request.POST.get("OptOutType", "")
    try:
        said = sms.hear(f"twilio {sid}", sender, request.POST.get("Body", ""), clock.now(), opted=opted)
    except Exception:
        log.exception("answer.lost", provider="twilio")
        return HttpResponse(status=503)
    body = f"<Message>{escape(said)}</Message>" if said else ""
    return HttpResponse(f'<?xml version="1.0" encoding="UTF-8"?><Response>{body}</Response>', content_type="text/xml")
