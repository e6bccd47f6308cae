"""What Slack posts for buttons and `/alerts`. 200: kept for a worker. 403: not Slack's, or too old. 404: not set up."""

from __future__ import annotations

import json

from django.contrib.auth.decorators import login_not_required
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from alerts_runtime.leasing import clock
from alerts_runtime.redaction.loggers import get_logger
from notifier.answers import slack_signed, slack_work
from notifier.answers.slack_asked import of_button, of_command, of_event

log = get_logger(__name__)


@csrf_exempt
@require_POST
@login_not_required
@transaction.non_atomic_requests
def slack(request: HttpRequest) -> HttpResponse:
    """https://docs.slack.dev/interactivity/handling-user-interaction: an answer is due within three seconds."""
    if not slack_signed.secrets():
        raise Http404
    stamp, signature = (request.headers.get(f"X-Slack-{name}", "") for name in ("Request-Timestamp", "Signature"))
    if not slack_signed.is_signed(request.body, stamp, signature):
        log.warning("answer.refused", provider="slack", reason="signature")
        return HttpResponse(status=403)
    try:
        if request.content_type == "application/json":
            event = json.loads(request.body)
            if isinstance(event, dict) and event.get("type") == "url_verification":
                return HttpResponse(str(event.get("challenge", ""))[:200], content_type="text/plain")
            asked = of_event(event)
        else:
            payload = request.POST.get("payload")
            asked = of_command(request.POST.dict()) if payload is None else of_button(json.loads(payload))
    except (ValueError, RecursionError):
        return HttpResponse(status=400)
    if asked is None:  # what else Slack posts, such as the press of a link
        return HttpResponse(status=200)
    try:
        slack_work.keep(asked, clock.now())
    except Exception:
        log.exception("answer.lost", provider="slack")
        return HttpResponse(status=503)
    return HttpResponse(status=200)
