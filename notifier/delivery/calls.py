"""A call to a provider, made in a thread of its own that opens no database connection."""

from __future__ import annotations

import time
from dataclasses import dataclass

from alerts_runtime.redaction.loggers import get_logger
from notifier.channels.base import Channel as Provider
from notifier.facts import DeliveryError, Message, Receipt, Result
from notifier.models import Attempt
from notifier.outbox.finishing import Ended

log = get_logger(__name__)


@dataclass(slots=True)
class Call:
    """One call under way."""

    attempt: Attempt
    address: str
    message: Message
    give_up_at: float  # monotonic
    before: Attempt | None = None  # the attempt before it, whose outcome is not known
    thread: str = ""  # the channel's handle of an earlier message, with which it looks for that one
    taken: Attempt | None = None  # see Ended
    outcome: Receipt | DeliveryError | None = None

    def make(self, provider: Provider) -> None:
        """Send the message, unless the provider took it before. Never raises: what happened is the outcome."""
        try:
            receipt = self._found(provider)
            self.taken = self.before if receipt else None
            self.outcome = receipt or provider.deliver(self.address, self.message)
        except DeliveryError as error:
            self.outcome = error
        except BaseException as error:  # nothing above this thread would see it, and the attempt needs an outcome
            log.exception("delivery.raised", reference=self.attempt.reference)
            self.outcome = DeliveryError(Result.UNCERTAIN, type(error).__name__, "an internal error")

    def ended(self) -> Ended | None:
        """What became of it; None while there is time and no answer."""
        outcome = self.outcome
        if outcome is None and time.monotonic() >= self.give_up_at:
            outcome = DeliveryError(Result.UNCERTAIN, "deadline", "the provider did not answer in time")
        return Ended(self.attempt.pk, outcome, self.taken) if outcome is not None else None

    def _found(self, provider: Provider) -> Receipt | None:
        """The receipt of the attempt before; None when there is none, or the provider cannot say."""
        if self.before is None or not provider.can_find:
            return None
        return provider.find(self.address, self.before.reference, self.before.started_at, self.thread)
