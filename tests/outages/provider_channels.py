"""Two providers that are down when the simulation says so: one that takes each alert by itself, and one that folds."""

from __future__ import annotations

from typing import Any

from notifier.channels import memory
from notifier.facts import DeliveryError, Message, Receipt, Result

down = False


class Chat(memory.Memory):
    """As Slack: each alert is a message of its own."""

    kind = "chat"

    def send(self, address: str, message: Message) -> Receipt:
        if down:
            raise DeliveryError(Result.RETRY, "503", "unavailable")
        return Receipt(provider_id="1", thread="1")


class Page(Chat):
    """As an SMS: several alerts make one message."""

    kind = "page"
    can_fold = True


NOTIFIER: dict[str, Any] = {
    "CHANNELS": {
        "chat": {"BACKEND": "tests.outages.provider_channels.Chat", "TO": ["#payments"]},
        "page": {"BACKEND": "tests.outages.provider_channels.Page", "TO": ["on-call"]},
    },
    "ROUTES": {"*": ["chat", "page"]},
    "LIMITS": {
        "chat": {"RATES": ["1/1s"]},
        "page": {"RATES": ["1/1m", "5/15m", "11/1h smooth", "21/3h smooth"]},
    },
    "INHIBIT": [],
    "TZ": "UTC",
}
