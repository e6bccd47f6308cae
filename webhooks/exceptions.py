"""What `webhooks` raises, and what it records as the exception of a failure."""

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
    """A valid event that could not be stored; its cause says why. Stripe is answered 503 and delivers it again."""


class RejectDelivery(Exception):  # noqa: N818 - it is an order
    """Raise it in a receiver of webhook_pre_validate to refuse the request with 400. Its text is logged, never sent."""


class WorkerLost(Exception):  # noqa: N818 - Celery's WorkerLostError set the name
    """The worker that processed the event died (killed, out of memory, the machine gone) before it could say more."""


class HandlerTimeout(Exception):  # noqa: N818 - as WorkerLost
    """A handler ran for longer than WEBHOOKS["HANDLER_TIMEOUT"]. The traceback shows where it was at that moment."""


class NotRun(TypeError):  # noqa: N818 - says what happened: nothing
    """A handler returned a coroutine, a generator or the like: nothing of its body has run."""


class LeaseLost(Exception):  # noqa: N818 - control flow
    """Another worker has the event by now, so what this one did is rolled back. It is no failure of the event."""


class RecordedError(Exception):
    """Stands for an exception whose process died before it was announced, and of which only a row is left.

    `exception_path` is the class as a dotted path, `bases` those of its base classes; str() is the redacted message.
    """

    def __init__(self, exception_path: str, bases: Sequence[str], recorded_message: str) -> None:
        super().__init__(recorded_message)
        self.exception_path = exception_path
        self.bases = tuple(bases)
        self.recorded_message = recorded_message
