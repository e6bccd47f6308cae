"""dj-stripe's five signals. All are sent with `sender=WebhookEvent` and keyword arguments; receivers take **kwargs.

@receiver(webhook_processing_error)
def handle_webhook_error(sender, event, data, exception, **kwargs): ...

A receiver that was written for dj-stripe, `def handle(sender, instance, api_key, exception, data, **kwargs)`, works as
it stands. `api_key` is sent for its sake and is always None: nothing here calls Stripe, and a key in a receiver's
hands ends up in a log.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.dispatch import Signal

from webhooks.models import WebhookEvent

# instance: Delivery. Before the signature is checked, in the request, outside a transaction: nothing in it can be
# trusted yet. A receiver that raises is logged; RejectDelivery refuses the request with 400.
webhook_pre_validate = Signal()

# instance: Delivery, valid: bool, reason: str (empty, or why not: see verify.py and events.py). After the check, also
# when it failed; in the request, outside a transaction. A receiver that raises is logged.
webhook_post_validate = Signal()

# instance: WebhookEvent, event: StripeEvent. Inside the transaction, before its handlers. Raising fails the attempt.
webhook_pre_process = Signal()

# instance: WebhookEvent, event: StripeEvent. Inside the transaction, after the handlers, once per event: what a
# receiver writes commits with the event's state, and transaction.on_commit runs when that is certain. Raising fails
# the attempt.
webhook_post_process = Signal()

# instance: WebhookEvent, event: StripeEvent, data: the event's payload, exception: what was raised (or RecordedError,
# or WorkerLost), attempt: int, will_retry: bool, next_attempt_at: datetime or None, failure: Failure. After the
# rollback, when the failure has been committed, outside a transaction. A receiver that raises is logged, the others
# still run, and it alone is called again, with a growing pause and at most five times in all; then the log and ADMINS
# hear of it. All are called again when the process died on the way: be idempotent by failure.pk.
# failure.after_commit: the handlers' effects are committed, and a callback of transaction.on_commit raised.
webhook_processing_error = Signal()


@dataclass(frozen=True, slots=True)
class Delivery:
    """A request as it came in; not verified."""

    endpoint: str
    body: bytes = field(repr=False)
    signature: str = field(repr=False)
    received_at: datetime
    remote_addr: str


def send_safely(signal: Signal, **arguments: Any) -> list[Exception]:
    """Call every receiver whatever the others do, and return what they raised; Django logs it (django.dispatch)."""
    responses = signal.send_robust(sender=WebhookEvent, api_key=None, **arguments)
    return [response for _, response in responses if isinstance(response, Exception)]


def send_to(signal: Signal, names: Collection[str], **arguments: Any) -> dict[str, Exception]:
    """Call the receivers of these names, or all when there are none; who raised, and what. Django logs it."""
    if names:
        signal = _only(signal, names)
    responses = signal.send_robust(sender=WebhookEvent, api_key=None, **arguments)
    return {_name(receiver): response for receiver, response in responses if isinstance(response, Exception)}


def _only(signal: Signal, names: Collection[str]) -> Signal:
    only = Signal()
    # Django has no other way to ask whom a signal would call.
    for receiver in itertools.chain(*signal._live_receivers(WebhookEvent)):
        if _name(receiver) in names:
            only.connect(receiver, sender=WebhookEvent, weak=False)
    return only


def _name(receiver: Any) -> str:
    known = receiver if hasattr(receiver, "__qualname__") else type(receiver)
    return f"{known.__module__}.{known.__qualname__}"
