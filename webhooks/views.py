"""HTTP <-> outcome. 200: stored. 400, 404, 405, 413: refused for good. 503: try again. Stripe retries all but 2xx."""

from __future__ import annotations

from datetime import datetime

import structlog
from django.contrib.auth.decorators import login_not_required
from django.db import InterfaceError, OperationalError, connection, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.http.request import UnreadablePostError
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from core import wake, watchdog
from webhooks import events, inbox, processing, refusals, signals
from webhooks.conf import Config, Endpoint, config
from webhooks.events import StripeEvent
from webhooks.exceptions import Refused, RejectDelivery, TooLarge, UnknownEndpoint, Unreadable
from webhooks.inbox import Stored
from webhooks.processing import Result
from webhooks.signals import Delivery
from webhooks.verify import verify

logger = structlog.stdlib.get_logger(__name__)
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
    """Store what Stripe delivers: at most two SQL statements, no handler (but in inline mode), no call to anybody."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    now = timezone.now()
    settings = config()
    try:
        return _receive(request, settings, _endpoint(settings, endpoint), now)
    except Refused as refused:
        known = endpoint if endpoint in settings.endpoints else UNKNOWN
        refusals.count(known, refused.reason, now)
        logger.warning("delivery.refused", endpoint=known, reason=refused.reason, status=refused.status)
        return _answer(refused.status, refused.detail)
    except (OperationalError, InterfaceError) as error:
        logger.error("delivery.database_unavailable", endpoint=endpoint, error=type(error).__name__)
        return _answer(503, "The database is not available. Please deliver it again.")


def _receive(request: HttpRequest, settings: Config, endpoint: Endpoint, now: datetime) -> HttpResponse:
    delivery = Delivery(
        endpoint=endpoint.name,
        body=_read(request, settings.max_body),
        signature=request.META.get("HTTP_STRIPE_SIGNATURE", ""),
        received_at=now,
        remote_addr=request.META.get("REMOTE_ADDR", ""),
    )
    event = _validate(delivery, endpoint)
    stored = _store(event, delivery.body.decode(), now)
    if stored.arrival is not inbox.Arrival.DUPLICATE and not endpoint.inline:
        wake.wake("events")
    logger.info(
        "delivery.stored",
        event_id=event.id,
        type=event.type,
        endpoint=endpoint.name,
        arrival=stored.arrival.value,
    )
    if endpoint.inline:
        return _answer(*_INLINE_ANSWERS[processing.process_inline(stored.pk, now)])
    watchdog.look()
    return _answer(200, "Stored.")


def _store(event: StripeEvent, body: str, now: datetime) -> Stored:
    """Whether a kept connection still works is found out by using it: Django asks first, a round trip per event.

    Storing twice is harmless: the second time finds a duplicate.
    """
    connection.health_check_done = True  # type: ignore[attr-defined]  # django-stubs does not know it
    try:
        return inbox.store(event, body, now)
    except (OperationalError, InterfaceError):
        if connection.connection is None or connection.is_usable():
            raise
        connection.close()
        return inbox.store(event, body, now)


def _endpoint(settings: Config, name: str) -> Endpoint:
    try:
        return settings.endpoints[name]
    except KeyError:
        raise UnknownEndpoint("There is no such endpoint here.") from None


def _read(request: HttpRequest, limit: int) -> bytes:
    """The body, past Django's own limit on it, but never more of it than ours, whatever Content-Length says."""
    too_large = TooLarge(f"The body is larger than {limit} bytes.")
    length = request.META.get("CONTENT_LENGTH") or ""
    if length.isdecimal() and (len(length) > 15 or int(length) > limit):
        raise too_large
    try:
        body: bytes = request.read(limit + 1)
    except UnreadablePostError:
        raise Unreadable("The connection broke before the whole body had arrived.") from None
    if len(body) > limit:
        raise too_large
    return body


def _validate(delivery: Delivery, endpoint: Endpoint) -> StripeEvent:
    for error in signals.send_safely(signals.webhook_pre_validate, instance=delivery):
        if isinstance(error, RejectDelivery):
            raise Refused("This site rejects it.", reason="rejected")
    reason = ""
    try:
        verify(delivery.body, delivery.signature, endpoint.secrets, endpoint.tolerance, delivery.received_at)
        return events.parse(delivery.body, endpoint.name)
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
