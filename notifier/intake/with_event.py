"""Lets a receiver written for the signals of `webhooks` be used for dj-stripe's `webhook_processing_error`."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from alerts_runtime.failures.reading import class_path
from alerts_runtime.redaction.loggers import get_logger
from alerts_runtime.stripe_data.event import StripeEvent, parse
from alerts_runtime.stripe_data.refused import MalformedEvent

log = get_logger(__name__)


def with_event(receiver: Callable[..., object]) -> Callable[..., None]:
    """Decorate a receiver of dj-stripe's signals: it gets `event` and `data`, and what it raises is only logged.

    `event` is a StripeEvent, or None when the body is not one; `data` is its payload, or {}; `api_key` is None. An
    exception of a receiver would make dj-stripe lose the row of the delivery.

        @signals.webhook_processing_error.connect
        @with_event
        def handle(sender, event, data, exception, **kwargs): ...
    """

    @wraps(receiver)
    def receive(sender: object, instance: Any, **kwargs: Any) -> None:
        event = _event(instance)
        known = {"event": event, "data": event.payload if event else {}, "api_key": None}
        try:
            receiver(sender=sender, instance=instance, **kwargs | known)
        except Exception as error:  # noqa: BLE001 - the site's, whatever it is
            log.error("djstripe.receiver_raised", receiver=receiver.__qualname__, error=class_path(type(error)))

    return receive


def _event(instance: Any) -> StripeEvent | None:
    endpoint = instance.webhook_endpoint.id if instance.webhook_endpoint_id else ""
    try:
        return parse(instance.body, str(endpoint))
    except MalformedEvent:
        return None
