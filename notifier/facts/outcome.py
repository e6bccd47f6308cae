"""What a provider answered to a message, as values that fit their columns."""

from __future__ import annotations

import math
from dataclasses import dataclass

from notifier.facts.enums import Result

# The lengths of the columns for what a provider answers; a test compares them.
PROVIDER_ID = 200
HANDLE = 300
CODE = 100
REFERENCE = 16
MOST_PARTS = 32_767
_UNSTORABLE = dict.fromkeys((0, *range(0xD800, 0xE000)), "\ufffd")  # NUL for PostgreSQL, lone surrogates for UTF-8


def storable(value: object, limit: int) -> str:
    """An id or code of a provider's answer as a text that every database accepts, cut to its column.

    Only texts and integers are ids; anything else gives an empty text.
    """
    if type(value) is int and value.bit_length() < 4 * limit:
        value = str(value)
    return value.translate(_UNSTORABLE)[:limit] if isinstance(value, str) else ""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the provider said when it accepted a message. Values are cut to fit their columns."""

    provider_id: str = ""
    thread: str = ""  # opaque to everyone but the channel that made it
    parts: int = 1  # SMS segments, for the budget
    note: str = ""  # such as addresses that were refused while others were accepted

    def __post_init__(self) -> None:
        object.__setattr__(self, "provider_id", storable(self.provider_id, PROVIDER_ID))
        thread = storable(self.thread, HANDLE + 1)
        object.__setattr__(
            self, "thread", thread if len(thread) <= HANDLE else ""
        )  # too long: a cut handle would be of no use
        parts = self.parts if type(self.parts) is int else 1
        object.__setattr__(self, "parts", max(0, min(parts, MOST_PARTS)))
        object.__setattr__(self, "note", storable(self.note, 1000))


LONGEST_WAIT = 3600.0  # seconds


def seconds_to_wait(asked: object) -> float | None:
    """The seconds that a provider asks to wait, at most an hour; None when it is not a number."""
    try:
        seconds = float(str(asked))
    except ValueError:  # also for an integer with too many digits for Python
        return LONGEST_WAIT if isinstance(asked, int) and asked > 0 else None
    return None if math.isnan(seconds) else min(max(seconds, 0.0), LONGEST_WAIT)


class DeliveryError(Exception):
    """A message was not (or perhaps not) accepted. `result` is RETRY, REJECTED or UNCERTAIN.

    `detail` is for people and has been redacted. `retry_after` is in seconds, as the provider asked, an hour at most.
    `target_dead` says that no other message to this target can succeed either (unsubscribed number), `channel_dead`
    that none of the channel can (revoked token, no credit left). Whatever a provider said, the values fit their
    columns.
    """

    def __init__(
        self,
        result: Result,
        code: str,
        detail: str = "",
        *,
        retry_after: float | None = None,
        target_dead: bool = False,
        channel_dead: bool = False,
    ) -> None:
        code, detail = storable(code, CODE), storable(detail, 2000)
        super().__init__(f"{result}: {code}" + (f": {detail}" if detail else ""))
        self.result = result
        self.code = code
        self.detail = detail
        self.retry_after = seconds_to_wait(retry_after)
        self.target_dead = target_dead or channel_dead
        self.channel_dead = channel_dead
