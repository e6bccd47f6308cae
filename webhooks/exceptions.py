"""Everything that webhooks raises or records."""

from __future__ import annotations

from collections.abc import Sequence

from alerts_runtime.stripe_data.refused import BadSignature, MalformedEvent, Refused

__all__ = [
    "BadSignature",
    "EmptyBody",
    "HandlerTimeout",
    "LeaseLost",
    "MalformedEvent",
    "NotRun",
    "NotStored",
    "RecordedError",
    "Refused",
    "RejectDelivery",
    "TooLarge",
    "UnknownEndpoint",
    "Unreadable",
    "WorkerLost",
]


class UnknownEndpoint(Refused):
    status = 404
    reason = "unknown_endpoint"


class TooLarge(Refused):
    status = 413
    reason = "too_large"


class Unreadable(Refused):
    """The connection broke before the whole body had arrived."""

    reason = "unreadable"


class EmptyBody(Refused):
    reason = "empty_body"


class NotStored(Exception):  # noqa: N818 - control flow
    """A good delivery that could not be kept; its cause says why. Stripe is asked to deliver it again."""


class RejectDelivery(Exception):  # noqa: N818 - it is an order
    """For receivers of webhook_pre_validate: refuse this request with 400. The text is logged, never sent."""


class WorkerLost(Exception):  # noqa: N818 - Celery's WorkerLostError set the name
    """A lease ran out while its event was being processed: the worker was killed, or its handler hangs."""


class HandlerTimeout(Exception):  # noqa: N818 - as WorkerLost
    """A handler ran for longer than HANDLER_TIMEOUT. Its traceback is where its thread was then."""


class NotRun(TypeError):  # noqa: N818 - says what happened: nothing
    """A handler's call returned a coroutine, a generator or the like: nothing of its body has run."""


class LeaseLost(Exception):  # noqa: N818 - control flow
    """Another worker has the event by now, so this one's work is rolled back. Never a failure of the event."""


class RecordedError(Exception):
    """Stands for a handler's exception that only its row remembers. `str()` is the recorded message."""

    def __init__(self, exception_path: str, bases: Sequence[str], recorded_message: str) -> None:
        super().__init__(recorded_message)
        self.exception_path = exception_path
        self.bases = tuple(bases)
        self.recorded_message = recorded_message
