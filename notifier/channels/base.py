"""What every channel is: one verb, abilities as flags, and errors that have been classified and redacted."""

from __future__ import annotations

import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import ClassVar, TypeVar
from urllib.parse import urlsplit

from alerts_runtime.redaction.loggers import get_logger
from alerts_runtime.redaction.redact import redact
from alerts_runtime.redaction.rules import SECRET
from notifier.channels.text import one_line, printable_message
from notifier.facts import DeliveryError, Message, Receipt, Result
from notifier.judge.throttle import Window

T = TypeVar("T")
log = get_logger(__name__)

DEFAULT_TIMEOUT = 10.0  # seconds for one answer
DETAIL_LIMIT = 300
CLOCKS = timedelta(minutes=5)  # by which a provider's clock and ours may differ
SHORTEST_PATH = 8  # a shorter one is no secret, and would be found in ordinary words


class Channel(ABC):
    """A way to reach people. Instances hold no state of a send, so threads may share one."""

    kind: ClassVar[str]
    SETTINGS: ClassVar[Mapping[str, str]] = {}  # option -> the Django setting it defaults to
    OPTIONS: ClassVar[frozenset[str]] = frozenset({"timeout"})  # further options, which have defaults
    REQUIRED: ClassVar[frozenset[str]] = frozenset()  # without these it cannot send
    SECRETS: ClassVar[frozenset[str]] = frozenset()  # their values are taken out of every error
    WAITS: ClassVar[int] = 1  # how many answers a send may have to wait for, one after the other
    can_edit: ClassVar[bool] = False  # news changes the first message in place
    can_find: ClassVar[bool] = False  # the provider can be asked whether it took a message
    can_fold: ClassVar[bool] = False  # several alerts make one message
    # With `can_fold`: so many messages within that time go one by one first. None: whatever waits goes together.
    HANDFUL: ClassVar[Window | None] = None
    RATES: ClassVar[tuple[Window, ...]] = ()  # what its provider takes, or what a person can bear; LIMITS may say else
    CRITICAL_RATES: ClassVar[tuple[Window, ...]] = ()  # beside them, for what is critical
    EXAMPLE: ClassVar[str] = ""  # how to write an address, as a sentence
    RECIPIENTS: ClassVar[str] = ""  # the setting that a site may take the addresses from
    STAND_IN: ClassVar[str] = ""  # whom its twin on the terminal tells while it has nobody
    address_is_a_name: ClassVar[bool] = False  # it decides nothing, so the alias does
    wakes: ClassVar[bool] = True  # rings at night
    costs: ClassVar[bool] = False  # each message costs money
    wants_html: ClassVar[bool] = True  # reads `Message.html`, which is not made otherwise

    def __init__(self, options: Mapping[str, object]) -> None:
        self.options = {name: value for name, value in options.items() if value not in (None, "")}
        self.timeout = float(str(self.options.get("timeout", DEFAULT_TIMEOUT)))
        # Seconds that a send may take. Timeouts count from one byte to the next: a provider that trickles its answer
        # would never reach them, so whoever calls gives up after this long.
        self.deadline = self.timeout * self.WAITS

    @property
    def answered_by(self) -> str:
        """How people can answer a message on one alert: by a short "code" in it, by a "link", or "" otherwise."""
        return ""

    def option(self, name: str, default: str = "") -> str:
        return str(self.options.get(name, default))

    @classmethod
    def missing(cls, options: Mapping[str, object]) -> tuple[str, ...]:
        """The required options that are not set, in alphabetical order."""
        return tuple(sorted(name for name in cls.REQUIRED if not options.get(name)))

    @classmethod
    def wrong_options(cls, options: Mapping[str, object]) -> Iterator[tuple[str, str, str]]:
        """Of options that are set: which cannot work, why, and what to set. Pure but for imports; shows no value."""
        yield from ()

    @classmethod
    def sends_nothing(cls, options: Mapping[str, object]) -> str:
        """Why messages leave no machine with these options although nothing is missing, or "". Pure."""
        return ""

    @staticmethod
    def check_address(address: str) -> str | None:
        """What is wrong with an address, in words, or None. Pure."""
        return None if address.strip() else "an address must not be empty"

    def words(self, message: Message) -> str:
        """What of a message goes out here: its attempt keeps that. Pure."""
        return message.text

    def deliver(self, address: str, message: Message) -> Receipt:
        """Send. Raises DeliveryError and nothing else: no secret and no address is in it, and nothing chained to it."""
        return self._answer(address, lambda: _receipt(self.send(address, printable_message(message))))

    def find(self, address: str, reference: str, since: datetime, thread: str = "") -> Receipt | None:
        """The message with this reference if the provider took it; None if it did not, or will not say.

        `since` is aware: when the try began. `thread` is that of any earlier message to this address. Raises
        DeliveryError with RETRY and nothing else: asking sends nothing, so nothing is uncertain, and a provider that
        lets us send but not read must not keep a message from being sent.
        """
        try:
            return self._answer(address, lambda: self.search(address, reference, since - CLOCKS, thread))
        except DeliveryError as error:
            if error.result is Result.REJECTED:
                return None
            raise DeliveryError(Result.RETRY, error.code, error.detail, retry_after=error.retry_after) from None

    @abstractmethod
    def send(self, address: str, message: Message) -> Receipt:
        """Hand the message to the provider. Raises DeliveryError; called through `deliver`."""

    def search(self, address: str, reference: str, since: datetime, thread: str) -> Receipt | None:
        """Ask the provider for a message; called through `find`. Channels with `can_find` override it."""
        return None

    def _answer(self, address: str, call: Callable[[], T]) -> T:
        try:
            if names := self.missing(self.options):
                raise DeliveryError(
                    Result.REJECTED, "not_configured", f"not set: {', '.join(names)}", channel_dead=True
                )
            return call()
        except DeliveryError as error:
            failure = error
        except Exception as error:  # noqa: BLE001 - whatever a library raises, the row must get its outcome
            failure = DeliveryError(Result.UNCERTAIN, type(error).__name__, str(error))
            log.error("channel.raised", kind=self.kind, exception=self._clean(traceback.format_exc(), address))
        # Outside the handlers: an exception of a library, which may hold a secret, must not be chained to this one.
        raise DeliveryError(
            failure.result,
            failure.code,
            self._clean(one_line(failure.detail), address, limit=DETAIL_LIMIT),
            retry_after=failure.retry_after,
            target_dead=failure.target_dead,
            channel_dead=failure.channel_dead,
        )

    def _clean(self, text: str, address: str, limit: int | None = None) -> str:
        for secret in self._secrets():
            text = text.replace(secret, SECRET)
        for form in (address, address.removeprefix("+")):
            text = text.replace(form, "[address]") if form else text
        return redact(text, limit=limit)

    def _secrets(self) -> list[str]:
        """Every form in which a secret option can turn up in a text, the longest first."""
        forms = set()
        for value in (self.option(name) for name in self.SECRETS):
            forms |= {value, repr(value)[1:-1]}
            if value.startswith("http") and len(path := urlsplit(value).path.strip("/")) >= SHORTEST_PATH:
                forms.add(path)
        return sorted(filter(None, forms), key=len, reverse=True)


def _receipt(given: object) -> Receipt:
    """A site's own channel may return anything: it has sent by then, so the message is not sent again for sure."""
    if isinstance(given, Receipt):
        return given
    raise DeliveryError(Result.UNCERTAIN, "no_receipt", "the channel returned no Receipt")


def wrong_url(option: str, value: object) -> Iterator[tuple[str, str, str]]:
    """What is wrong with an option that has to be a URL, if it is set."""
    parts = urlsplit(str(value or "https://unset"))
    if parts.scheme not in ("http", "https") or not parts.hostname:
        yield option, "is no URL", "Write it with its scheme: https://..."
