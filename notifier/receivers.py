"""From dj-stripe's signals to the pipeline. The only module that knows `webhooks`.

A receiver never raises and touches no network: what must be told becomes rows, and a worker sends it.
"""

from __future__ import annotations

from typing import Any

import structlog
from django.db import transaction
from django.dispatch import receiver
from django.utils import timezone

from notifier import inbound
from notifier.facts import Failure, Frame, Money
from notifier.flow import pipeline, replays
from notifier.judge.match import canonical
from webhooks.events import StripeEvent
from webhooks.models import Failure as FailureRow
from webhooks.models import WebhookEvent
from webhooks.signals import webhook_post_process, webhook_processing_error

log = structlog.get_logger(__name__)
replays.register(inbound.replay)


@receiver(webhook_processing_error, dispatch_uid="notifier.failed")
def on_processing_error(
    sender: object, instance: WebhookEvent, event: StripeEvent, failure: FailureRow, **kwargs: Any
) -> None:
    """A failed attempt becomes facts, and the facts an alert. Told twice of one failure, it counts it once."""
    pipeline.failed(facts_of(instance, event, failure), timezone.now())


@receiver(webhook_post_process, dispatch_uid="notifier.recovered")
def on_post_process(sender: object, instance: WebhookEvent, event: StripeEvent, **kwargs: Any) -> None:
    """An event that had failed is processed: once that is committed, its failures are recovered."""
    if instance.attempts > 1:
        how = "replay" if instance.earlier_attempts else "retry"
        transaction.on_commit(lambda: pipeline.recovered(event.id, how, timezone.now()), robust=True)


def facts_of(instance: WebhookEvent, event: StripeEvent, failure: FailureRow) -> Failure:
    """What an alert may know of a failure: an allow-list, every text redacted when the row was written."""
    has_money = event.amount is not None and bool(event.currency)
    return Failure(
        key=f"webhooks.failure:{failure.pk}",
        occurred_at=failure.occurred_at,
        exceptions=tuple(canonical(path) for path in (failure.exception, *failure.bases)),
        message=failure.message,
        event_id=event.id,
        event_type=event.type,
        endpoint=event.endpoint,
        account=event.account,
        livemode=event.livemode,
        attempt=failure.attempt,
        max_attempts=failure.max_attempts,
        will_retry=failure.will_retry,
        next_attempt_at=failure.next_attempt_at,
        gives_up_at=failure.gives_up_at,
        frame=Frame(failure.file, failure.line, failure.module, failure.function) if failure.file else None,
        kind=failure.kind,
        transient=failure.transient if failure.kind else None,  # a row of before these columns says neither
        peer=failure.peer,
        object_id=event.object_id,
        customer=event.customer,
        money=Money(event.amount, event.currency) if has_money and event.amount is not None else None,
        amount_unknown=event.amount_unknown,
        traceback=failure.traceback.text if failure.traceback else "",
        after_commit=failure.after_commit,
        not_run=tuple(failure.callbacks.splitlines()),
    )
