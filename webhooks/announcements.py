"""Tells receivers of failures, until it is certain that they were told."""

from __future__ import annotations

import structlog
from django.db import Error as AnyDatabaseError
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from webhooks import events, failures, signals
from webhooks.errors import class_path
from webhooks.events import StripeEvent
from webhooks.exceptions import MalformedEvent, RecordedError, WorkerLost
from webhooks.models import Failure, WebhookEvent

logger = structlog.stdlib.get_logger(__name__)


def announce(failure: Failure, error: BaseException, event: StripeEvent | None = None) -> None:
    """Send webhook_processing_error for a failure that has been committed, and write down that it was sent."""
    row = failure.event
    event = event or _event(row)
    try:
        with failures.announcing(failure):
            raised = signals.send_safely(
                signals.webhook_processing_error,
                instance=row,
                event=event,
                data=event.payload,
                exception=error,
                attempt=failure.attempt,
                will_retry=failure.will_retry,
                next_attempt_at=failure.next_attempt_at,
                failure=failure,
            )
            # That is no bug of the receiver's: tick calls it again.
            if not any(isinstance(item, OperationalError | InterfaceError) for item in raised):
                failures.announced(failure, timezone.now())
    except AnyDatabaseError as lost:
        logger.warning("failure.announcement_not_recorded", event_id=row.event_id, error=class_path(type(lost)))


def worker_lost(row: WebhookEvent, failure: Failure) -> None:
    logger.error("event.worker_lost", event_id=row.event_id, type=row.type, attempt=row.attempt, state=row.state)
    announce(failure, WorkerLost(failure.message))


def again(failure: Failure) -> None:
    """For a failure whose announcement was lost with its process: only the row remembers the exception."""
    if failures.begin_again(failure):
        logger.warning("failure.announced_again", event_id=failure.event.event_id, failure=failure.pk)
        announce(failure, RecordedError(failure.exception, failure.bases, failure.message))


def _event(row: WebhookEvent) -> StripeEvent:
    try:
        return events.parse(row.body, row.endpoint)
    except MalformedEvent:  # it could be read when it came: an older version was more lenient
        return StripeEvent(
            id=row.event_id,
            type=row.type,
            kind=row.kind,
            created=row.created,
            livemode=row.livemode,
            account=row.account,
            api_version=row.api_version,
            endpoint=row.endpoint,
            payload={},
        )
