"""What providers say later of a message that they took: a pure decision, in their words' order. Pure.

Twilio: https://www.twilio.com/docs/messaging/guides/track-outbound-message-status and /docs/api/errors
Email, in Anymail's words: https://anymail.dev/en/stable/sending/tracking/
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from notifier.facts import CODE, DeliveryError, Result, storable

# How far a message has come. Callbacks arrive late, twice and in any order: only a step forward counts. An email that
# was delivered can still bounce, and whoever got it can complain; nothing follows an SMS's last word.
_STEPS: Mapping[str, int] = {
    "accepted": 1,
    "scheduled": 1,
    "queued": 1,
    "sending": 2,
    "deferred": 2,
    "sent": 3,
    "delivered": 4,
    "undelivered": 4,
    "failed": 4,
    "canceled": 4,
    "rejected": 4,
    "bounced": 5,
    "complained": 6,
    "unsubscribed": 6,
}
# Nobody has read it: it counts as not sent.
NOT_SENT = frozenset({"undelivered", "failed", "canceled", "rejected", "bounced"})
UNWANTED = frozenset({"complained", "unsubscribed"})
RETRYABLE = frozenset({"30001", "30003", "30008"})
# No other message to this recipient gets through either: Twilio's codes, and Anymail's reasons to reject.
DEAD = frozenset({"21211", "21610", "21614", "30002", "30005", "30006", "30034"})
DEAD |= {"bounced", "invalid", "spam", "unsubscribed"}
OF_THE_ACCOUNT = frozenset({"30002", "30034"})  # nobody of the channel can be told
SOFT = "soft_bounce"
WORDS: Mapping[str, str] = {
    "21610": "the recipient has answered STOP",
    "30001": "Twilio's queue is full",
    "30002": "the Twilio account is suspended",
    "30003": "the telephone is off or unreachable",
    "30004": "the recipient or the carrier blocks the message",
    "30005": "the number is not in service",
    "30006": "a landline, or a carrier that cannot be reached",
    "30007": "the carrier filtered the message",
    "30008": "the carrier gives no reason",
    "30034": "the sender is not registered for A2P 10DLC",
    "invalid": "not an address that can get mail",
    "bounced": "the address does not exist or takes no mail",
    SOFT: "the mailbox is full, or its server did not take the message this time",
    "timed_out": "the recipient's server did not take it in time",
    "blocked": "the provider or the recipient's server blocks it",
    "spam": "the recipient has marked a message as spam",
    "unsubscribed": "the recipient has unsubscribed",
}


@dataclass(frozen=True, slots=True)
class Report:
    """A provider's word on one message. `error` is set when it has not arrived, or the next one would not."""

    status: str
    code: str = ""
    error: DeliveryError | None = None

    @property
    def not_sent(self) -> bool:
        return self.status in NOT_SENT


def report_of(status: object, code: object = "") -> Report | None:
    """A report from the provider's status and its code or reason; None for a word that says nothing of delivery."""
    status, code = storable(status, CODE), storable(code, CODE)
    if status not in _STEPS:
        return None
    if status not in NOT_SENT | UNWANTED:
        return Report(status)
    # Without a code the carrier gave no reason: as with 30008, another try is worth it. Emails were tried for days,
    # but what was full or away then may not be now.
    again = code == SOFT or (status not in {"bounced", "rejected"} | UNWANTED and (code in RETRYABLE or not code))
    # A server that takes a message for spam says nothing of the next one; a recipient does.
    dead = code in DEAD and not (code == "spam" and status == "bounced")
    error = DeliveryError(
        Result.RETRY if again else Result.REJECTED,
        code or status,
        WORDS.get(code, f"the provider reports it as {status}"),
        target_dead=dead or status in UNWANTED,
        channel_dead=code in OF_THE_ACCOUNT,
    )
    return Report(status, code, error)


def forward(current: str, incoming: str) -> str | None:
    """The new status of a message, or None when the incoming one is old news or says nothing."""
    return incoming if _STEPS.get(incoming, 0) > _STEPS.get(current, 0) else None
