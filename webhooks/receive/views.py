"""The endpoint that Stripe posts to. 200: stored; 400, 404, 405, 413: refused; 503: not stored now, try again.

Stripe delivers again whatever is not answered with 2xx.
"""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.decorators import login_not_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from alerts_runtime.leasing import clock
from alerts_runtime.monitoring import watchdog
from alerts_runtime.redaction.loggers import get_logger
from alerts_runtime.stripe_data.signature import verify
from alerts_runtime.wakeups import wake
from webhooks import events, signals
from webhooks.conf import Config, Endpoint, config
from webhooks.events import StripeEvent
from webhooks.exceptions import NotStored, Refused, RejectDelivery, UnknownEndpoint
from webhooks.process import processing
from webhooks.process.attempt import Result
from webhooks.process.errors import class_path
from webhooks.receive import body, noticed, refusals, store
from webhooks.signals import Delivery

logger = get_logger(__name__)
RETRY_AFTER = "10"  # seconds; for people and proxies, since Stripe keeps to its own schedule
UNKNOWN = "(unknown)"  # counts requests to endpoints that are not configured, so that nobody can fill the table
_INLINE_ANSWERS = {
    Result.PROCESSED: (200, "Processed."),
    Result.FAILED: (500, "A handler failed; the failure is recorded. Please deliver it again."),
    Result.BUSY: (503, "It is being processed. Please deliver it again."),
    Result.UNKNOWN: (503, "The database is not available. Please deliver it again."),
}


@csrf_exempt
@login_not_required
@transaction.non_atomic_requests
def receive(request: HttpRequest, endpoint: str) -> HttpResponse:
    """Store what Stripe delivers, in two SQL statements at most.

    Runs no handler but in inline mode, and calls nobody.
    """
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    now = clock.now()
    settings = config()
    try:
        return _receive(request, settings, _endpoint(settings, endpoint), now)
    except Refused as refused:
        known = endpoint if endpoint in settings.endpoints else UNKNOWN
        refusals.count(known, refused.reason, now)
        logger.warning("webhook.refused", endpoint=known, reason=refused.reason, status=refused.status)
        return _answer(refused.status, refused.detail)
    except NotStored as lost:
        cause = lost.__cause__ or lost
        logger.error("webhook.not_stored", endpoint=endpoint, error=class_path(type(cause)))
        return _answer(503, "It could not be stored. Please deliver it again.")
    finally:
        watchdog.look()  # in inline mode too, where alerts need a worker


def _receive(request: HttpRequest, settings: Config, endpoint: Endpoint, now: datetime) -> HttpResponse:
    delivery = Delivery(
        endpoint=endpoint.name,
        body=body.read(request, settings.max_body),
        signature=request.META.get("HTTP_STRIPE_SIGNATURE", ""),
        received_at=now,
        remote_addr=request.META.get("REMOTE_ADDR", ""),
    )
    event = _validate(delivery, endpoint)
    if not endpoint.takes_version(event.api_version):
        refusals.count(endpoint.name, "other_version", now)
        return _answer(200, "Not stored: this endpoint takes another API version.")
    try:
        return _take(event, delivery.body.decode(), endpoint, now)
    except Exception as error:  # whatever the database raises, and however: Stripe has to come again
        raise NotStored from error


def _take(event: StripeEvent, text: str, endpoint: Endpoint, now: datetime) -> HttpResponse:
    stored = store.store(event, text, now, ignored=not endpoint.takes_mode(event.livemode))
    if stored.arrival in (store.Arrival.CREATED, store.Arrival.REARMED) and not endpoint.inline:
        wake.wake("events")
    logger.info(
        "webhook.stored",
        event_id=event.id,
        event_type=event.type,
        endpoint=endpoint.name,
        arrival=stored.arrival.value,
    )
    if stored.arrival is store.Arrival.IGNORED:
        refusals.count(endpoint.name, "other_mode", now)
        return _answer(200, "Ignored: this endpoint handles the other mode.")
    if endpoint.inline:
        return _answer(*_INLINE_ANSWERS[processing.process_inline(stored.pk, now)])
    return _answer(200, "Stored.")


def _endpoint(settings: Config, name: str) -> Endpoint:
    try:
        return settings.endpoints[name]
    except KeyError:
        raise UnknownEndpoint("There is no such endpoint here.") from None


def _validate(delivery: Delivery, endpoint: Endpoint) -> StripeEvent:
    for error in signals.send_safely(signals.webhook_pre_validate, instance=delivery):
        if isinstance(error, RejectDelivery):
            raise Refused("This site rejects it.", reason="rejected")
    reason = ""
    try:
        # By this machine's clock: with a database's that is off, no delivery of Stripe's would be of now.
        now = timezone.now()
        signer = verify(delivery.body, delivery.signature, endpoint.secrets, endpoint.tolerance, now)
        event = events.parse(delivery.body, endpoint.name)
        noticed.note(endpoint, signer, event)
        return event
    except Refused as refused:
        reason = refused.reason
        raise
    finally:
        signals.send_safely(signals.webhook_post_validate, instance=delivery, valid=not reason, reason=reason)


def _answer(status: int, text: str) -> HttpResponse:
    response = HttpResponse(f"{text}\n", status=status, content_type="text/plain; charset=utf-8")
    if status == 503:
        response["Retry-After"] = RETRY_AFTER
    return response
