"""The fakes, which also remember each message as it was when they took it: Slack's are edited later."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.acceptance.site import Providers
from tests.chaos import UNREADABLE
from tests.fakes import Fake, Reply, Request
from tests.fakes.esp import FakeEsp
from tests.fakes.slack import FakeSlack
from tests.fakes.twilio import FakeTwilio

_WORD = re.compile(r"\b[0-9a-f]{8}\b")


@dataclass(frozen=True)
class Told:
    """A message that a provider took."""

    text: str
    about: str  # the part of it that has its reference, and no other message's

    @property
    def marked(self) -> bool:
        return "Possible repeat" in self.text or "Repeat?" in self.text

    def words(self) -> set[str]:
        """Among these is its reference."""
        return set(_WORD.findall(self.about))


class Remembers(Fake):
    def __init__(self, port: int = 0) -> None:
        super().__init__(port)
        self.told: list[Told] = []

    def heal(self) -> None:
        """Forget what was still to go wrong."""
        with self._lock:
            self._steps.clear()

    def respond(self, request: Request) -> Reply:
        before = len(self.messages)
        reply = super().respond(request)
        self.told += [Told(json.dumps(message), _about(message)) for message in self.messages[before:]]
        return reply


def _about(message: dict[str, Any]) -> str:
    """Slack's metadata, a mail's own id (it names those of earlier ones too), the text of an SMS."""
    if "metadata" in message:
        return json.dumps(message["metadata"])
    headers = message.get("headers")
    return str(headers["Message-ID"] if headers else message.get("body", ""))


class Slack(Remembers, FakeSlack):
    """The token may read the history of every channel but one."""

    def _conversations_history(self, fields: dict[str, Any]) -> Reply:
        if fields.get("channel") == UNREADABLE:
            return Reply.of({"ok": False, "error": "missing_scope"})
        return super()._conversations_history(fields)


class Twilio(Remembers, FakeTwilio):
    pass


class Esp(Remembers, FakeEsp):
    pass


def everything_told(providers: Providers) -> list[Told]:
    """In each provider's order."""
    fakes = (providers.slack, providers.twilio, providers.esp)
    return [told for fake in fakes if isinstance(fake, Remembers) for told in list(fake.told)]


@contextlib.contextmanager
def providers() -> Iterator[Providers]:
    with Slack() as slack, Twilio() as twilio, Esp() as esp:
        yield Providers(slack, twilio, esp)
