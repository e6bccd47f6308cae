"""What providers post about messages that they took. 200: noted, or not about one of ours. 403: not the provider's."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

from anymail.signals import tracking
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import ImproperlyConfigured, SuspiciousOperation
from django.db import transaction
from django.dispatch import receiver
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.urls import Resolver404, resolve
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from alerts_runtime.leasing import clock
from alerts_runtime.redaction.loggers import get_logger
from notifier.answers import set_up, twilio_signed
from notifier.channels import mail_backend
from notifier.judge.bounces import is_soft
from notifier.judge.delivery_status import SOFT, report_of
from notifier.outbox import reports

if TYPE_CHECKING:
    from anymail.signals import AnymailTrackingEvent

log = get_logger(__name__)
_lost: ContextVar[list[str] | None] = ContextVar("events of this request that could not be noted", default=None)


@csrf_exempt
@require_POST
@login_not_required
@transaction.non_atomic_requests
def twilio_status(request: HttpRequest) -> HttpResponse:
    """A status callback: https://www.twilio.com/docs/messaging/guides/track-outbound-message-status"""
    if not twilio_signed.urls("status_callback"):
        raise Http404  # nobody here sends by Twilio
    if not twilio_signed.can_be_stored(request):
        return HttpResponse(status=400)
    if not twilio_signed.is_signed(request, "status_callback"):
        log.warning("delivery.report_refused", provider="twilio", reason="signature")
        return HttpResponse(status=403)
    report = report_of(request.POST.get("MessageStatus", ""), request.POST.get("ErrorCode", ""))
    if report is not None:
        sid, reference = request.POST.get("MessageSid", ""), request.GET.get("reference", "")
        try:
            reports.record(sid, report, clock.now(), reference=reference)
        except Exception:
            log.exception("delivery.report_lost", provider="twilio")
            return HttpResponse(status=503)
    return HttpResponse(status=200)


@csrf_exempt
@login_not_required
@transaction.non_atomic_requests
def email_tracking(request: HttpRequest, provider: str) -> HttpResponseBase:
    """Anymail's own view for a provider that some channel sends by, which checks ANYMAIL["WEBHOOK_SECRET"].

    404 while that is not set, and for every other provider. 400 for what no provider sends.
    """
    if not getattr(settings, "ANYMAIL", {}).get("WEBHOOK_SECRET"):
        raise Http404  # Anymail would take everything from anybody
    if provider not in _mail_providers():
        raise Http404
    try:
        # By Anymail's urls, which know each provider's view, and only here, since importing them all takes long.
        view = resolve(f"/{provider}/tracking/", "anymail.urls")
    except Resolver404:
        raise Http404 from None
    lost: list[str] = []
    token = _lost.set(lost)
    try:
        response: HttpResponseBase = view.func(request)
    except (SuspiciousOperation, Http404):  # Django answers these: Anymail's own refusal is one
        raise
    except ImproperlyConfigured:
        raise Http404 from None  # the provider's own settings are missing
    except Exception as error:  # noqa: BLE001 - Anymail's parsers raise whatever the body leads them to
        log.warning("delivery.report_refused", provider=provider, reason=type(error).__name__)
        return HttpResponse(status=400)
    finally:
        _lost.reset(token)
    return HttpResponse(status=503) if lost else response


def _mail_providers() -> set[str]:
    """As Anymail names them in its URLs: by the module of the backend that some channel sends with."""
    backends = {str(channel.options.get("backend", "")) for channel in set_up.channels() if channel.kind == "email"}
    mailers = getattr(settings, "MAILERS", {}).values()  # Django 6.1
    backends |= {str(mailer.get("BACKEND", "")) for mailer in mailers}
    backends.add(mail_backend.backend())
    return {backend.split(".")[2] for backend in backends if backend.startswith("anymail.backends.")}


@receiver(tracking, dispatch_uid="notifier.tracking")
def on_tracking(sender: object, event: AnymailTrackingEvent, esp_name: str, **kwargs: object) -> None:
    """What became of an email. Its recipient and the server's own words are not kept: they are personal data.

    One request brings many events: what cannot be noted of one keeps no other from being noted, and the provider is
    asked for all of them again, which changes nothing of those that were.
    """
    try:
        code = event.reject_reason or ("" if event.event_type == "failed" else event.event_type)
        if event.event_type == "bounced" and is_soft(esp_name, event.esp_event, event.mta_response):
            code = SOFT
        report = report_of(event.event_type, code)
        if report is not None:
            reports.record(event.message_id, report, clock.now())
    except Exception as error:
        log.exception("delivery.report_lost", provider=esp_name)
        if (lost := _lost.get()) is None:
            raise
        lost.append(type(error).__name__)
