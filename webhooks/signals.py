"""dj-stripe's five signals. `help(webhook_processing_error)` says what each is sent with, when, and what raising does.

    @receiver(webhook_processing_error)
    def handle_webhook_error(sender, event, data, exception, **kwargs): ...

All are sent with keyword arguments and `sender=WebhookEvent`, so receivers should end with **kwargs. One that was
written for dj-stripe, `def handle(sender, instance, api_key, exception, data, **kwargs)`, works unchanged; `api_key` is
always None, since nothing here calls Stripe.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.dispatch import Signal

from alerts_runtime.failures.foreign import is_interrupt
from alerts_runtime.redaction.loggers import get_logger
from webhooks.models import WebhookEvent

log = get_logger(__name__)

webhook_pre_validate = Signal()
webhook_pre_validate.__doc__ = """Sent for each request to an endpoint, before its signature is checked.

In the request, outside a transaction. Nothing of the request can be trusted yet.

Arguments:
    instance (Delivery): the request.

A receiver that raises is logged, and the request goes on; RejectDelivery refuses it with 400.
"""

webhook_post_validate = Signal()
webhook_post_validate.__doc__ = """Sent after the signature and the body were checked, whatever that said.

In the request, outside a transaction.

Arguments:
    instance (Delivery): the request.
    valid (bool): whether it will be stored.
    reason (str): why not, such as "no_match", "too_old" or "malformed_event"; empty when it is valid.

A receiver that raises is logged, and the request goes on.
"""

webhook_pre_process = Signal()
webhook_pre_process.__doc__ = """Sent before an event's handlers, inside their transaction.

Arguments:
    instance (WebhookEvent): the event's row.
    event (StripeEvent): the event.

A receiver that raises fails the attempt, as a handler would.
"""

webhook_post_process = Signal()
webhook_post_process.__doc__ = """Sent after an event's handlers, inside their transaction: once for each event.

What a receiver writes is committed together with the event's state, or not at all. What must only happen once that is
certain belongs into transaction.on_commit.

Arguments:
    instance (WebhookEvent): the event's row.
    event (StripeEvent): the event.

A receiver that raises fails the attempt, as a handler would.
"""

webhook_processing_error = Signal()
webhook_processing_error.__doc__ = """Sent when an attempt at an event failed, outside a transaction.

What the handlers did is rolled back and the failure is committed by then.

Arguments:
    instance (WebhookEvent): the event's row.
    event (StripeEvent): the event.
    data (dict): the whole event as Stripe sent it.
    exception (BaseException): what was raised; WorkerLost when the worker died, HandlerTimeout when a handler hung,
        RecordedError when the process that caught it died before it could announce it.
    attempt (int): which attempt this was, from 1.
    will_retry (bool): whether another attempt follows.
    next_attempt_at (datetime | None): when, in UTC; None when there is none, or nobody knows (inline mode).
    failure (Failure): the row of this failure. With `failure.after_commit` what the handlers did is committed, and a
        callback that they left to transaction.on_commit raised.

A receiver that raises is logged, and the others are called all the same. It alone is called again, with growing pauses,
five times in all; then the last resort is told. If the process dies meanwhile all are called again: a receiver should
know a `failure.pk` that it has seen.
"""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A request as it came in. Before webhook_post_validate anybody may have sent it."""

    endpoint: str  # the key of WEBHOOKS["ENDPOINTS"]
    body: bytes = field(repr=False)
    signature: str = field(repr=False)  # the Stripe-Signature header
    received_at: datetime  # in UTC
    remote_addr: str  # of the last proxy, where there is one


def send_safely(signal: Signal, **arguments: Any) -> list[BaseException]:
    """Call every receiver, even when one raises; returns what they raised, which is logged."""
    return [error for receiver in _receivers(signal) if (error := _call(receiver, arguments))]


def send_to(signal: Signal, names: Collection[str], **arguments: Any) -> dict[str, BaseException]:
    """Call the receivers of these names, or all when no name is given; returns who raised, and what."""
    raised = {}
    for receiver in _receivers(signal):
        name = _name(receiver)
        if (not names or name in names) and (error := _call(receiver, arguments)):
            raised[name] = error
    return raised


def _receivers(signal: Signal) -> Iterator[Any]:
    """Django has no other way to ask whom a signal would call."""
    return itertools.chain(*signal._live_receivers(WebhookEvent))


def _call(receiver: Any, arguments: dict[str, Any]) -> BaseException | None:
    """What it raised. By itself: at SystemExit, which is no Exception, `send_robust` ends and calls nobody after it."""
    alone = Signal()
    alone.connect(receiver, sender=WebhookEvent, weak=False)
    try:
        [(_, response)] = alone.send_robust(sender=WebhookEvent, api_key=None, **arguments)
    except BaseException as error:
        if is_interrupt(error):
            raise
        log.exception("receiver.failed", receiver=_name(receiver))
        return error
    return response if isinstance(response, Exception) else None  # Django has logged it


def _name(receiver: Any) -> str:
    known = receiver if hasattr(receiver, "__qualname__") else type(receiver)
    return f"{known.__module__}.{known.__qualname__}"
