"""Keeps messages in memory instead of sending them, for tests of a site's own rules."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from notifier.channels.base import Channel
from notifier.facts import DeliveryError, Message, Receipt


class Sent(NamedTuple):
    address: str
    message: Message
    receipt: Receipt


outbox: list[Sent] = []
_failures: list[DeliveryError] = []


def clear() -> None:
    """Forget what was sent and which failures were to come."""
    outbox.clear()
    _failures.clear()


def fail_next(*errors: DeliveryError) -> None:
    """Make the next messages fail, one with each of these errors."""
    _failures.extend(errors)


class Memory(Channel):
    """Every address is good and every message arrives, unless `fail_next` says otherwise."""

    kind = "memory"
    address_is_a_name = True
    wakes = False
    can_find = True

    def send(self, address: str, message: Message) -> Receipt:
        if _failures:
            raise _failures.pop(0)
        name = f"memory-{len(outbox) + 1}"
        receipt = Receipt(provider_id=name, thread=message.thread or name)
        outbox.append(Sent(address, message, receipt))
        return receipt

    def search(self, address: str, reference: str, since: datetime, thread: str) -> Receipt | None:
        for sent in outbox:
            if sent.address == address and sent.message.reference == reference:
                return sent.receipt
        return None
