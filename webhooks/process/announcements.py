"""Sends webhook_processing_error for failures, again and again until every receiver has taken it."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import Error as AnyDatabaseError

from alerts_runtime.isolation import last_resort
from alerts_runtime.leasing import clock
from alerts_runtime.redaction.loggers import get_logger
from webhooks import events, signals
from webhooks.events import StripeEvent
from webhooks.exceptions import RecordedError, WorkerLost
from webhooks.models import Failure, WebhookEvent
from webhooks.process import failures
from webhooks.process.errors import class_path

logger = get_logger(__name__)


def announce(failure: Failure, error: BaseException, event: StripeEvent | None = None) -> None:
    """Send webhook_processing_error for a failure that is committed, and write down that receivers were called.

    Only receivers that raised are called again later, so that one that is broken does not make others run twice.
    """
    row = failure.event
    event = event or _event(row)
    try:
        with failures.announcing(failure):
            raised = signals.send_to(
                signals.webhook_processing_error,
                failure.unheard.split(),
                instance=row,
                event=event,
                data=event.payload,
                exception=error,
                attempt=failure.attempt,
                will_retry=failure.will_retry,
                next_attempt_at=failure.next_attempt_at,
                failure=failure,
            )
            if not raised:
                failures.announced(failure, clock.now())
            elif failure.announcements < failures.MAX_ANNOUNCEMENTS:
                failures.not_heard(failure, raised)
            else:
                _give_up(failure, raised)
    except AnyDatabaseError as lost:
        logger.warning("failure.announcement_not_recorded", event_id=row.event_id, error=class_path(type(lost)))


def _give_up(failure: Failure, receivers: Iterable[str]) -> None:
    """Tell the last resort that receivers are not called any more; only one worker does."""
    if not failures.begin_again(failure, clock.now()):
        return
    row, names = failure.event, ", ".join(receivers) or "unknown, since its process died each time"
    last_resort.say(
        f"announcement {names}",
        f"A failure of {row.type} could not be announced: {failure.exception}",
        f"Event {row.event_id}, failure {failure.pk}: {failure.message}\n"
        f"Called {failures.MAX_ANNOUNCEMENTS} times and raised: {names}. See the log for what they raised, and the "
        "event's page in the admin for the failure. Nobody may have been alerted.",
    )


def worker_lost(row: WebhookEvent, failure: Failure) -> None:
    """Announce the failure of an event at which a worker died."""
    logger.error("event.worker_lost", event_id=row.event_id, event_type=row.type, attempt=row.attempt, state=row.state)
    announce(failure, WorkerLost(failure.message))


def again(failure: Failure) -> None:
    """Announce a failure again: its process died before, or a receiver raised.

    Of its exception only the row is left.
    """
    if failure.announcements >= failures.MAX_ANNOUNCEMENTS:
        _give_up(failure, failure.unheard.split())
    elif failures.begin_again(failure, clock.now()):
        logger.warning("failure.announced_again", event_id=failure.event.event_id, failure=failure.pk)
        announce(failure, RecordedError(failure.exception, failure.bases, failure.message))


def _event(row: WebhookEvent) -> StripeEvent:
    try:
        return events.parse(row.body, row.endpoint)
    except Exception:  # noqa: BLE001 - an older version could read it; people are told of the failure in any case
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
