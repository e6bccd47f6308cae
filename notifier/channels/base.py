"""The base class of channels, the ways to reach people: one method to write, and what it can do as attributes."""

from __future__ import annotations

import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import ClassVar, TypeVar
from urllib.parse import urlsplit

from alerts_runtime.redaction.loggers import get_logger
from alerts_runtime.redaction.redact import redact
from alerts_runtime.redaction.table import SECRET
from notifier.channels.text import one_line, printable_message
from notifier.facts import DeliveryError, Message, Receipt, Result
from notifier.judge.throttle import Window

T = TypeVar("T")
log = get_logger(__name__)

DEFAULT_TIMEOUT = 10.0  # seconds for one answer
DETAIL_LIMIT = 300
CLOCKS = timedelta(minutes=5)  # by how much a provider's clock and ours may differ
SHORTEST_PATH = 8  # characters; a shorter path of a URL is no secret, and would be found in ordinary words


class Channel(ABC):
    """A way to reach people. A site's own is a subclass with `send`, named by its dotted path in CHANNELS.

        class Pager(Channel):
            kind = "pager"
            SETTINGS = {"token": "PAGER_TOKEN"}  # read from Django's settings
            REQUIRED = SECRETS = frozenset({"token"})

            def send(self, address: str, message: Message) -> Receipt:
                body = {"token": self.option("token"), "to": address, "text": headline(message)}
                answer = requests.post("https://pager.example/send", json=body, timeout=self.timeout)
                if answer.status_code >= 500:
                    raise DeliveryError(Result.UNCERTAIN, f"http_{answer.status_code}", "the pager's server failed")
                if not answer.ok:
                    raise DeliveryError(Result.REJECTED, f"http_{answer.status_code}", answer.text)
                return Receipt(provider_id=answer.json()["id"])

        NOTIFIER = {"CHANNELS": {"pager": {"BACKEND": "shop.channels.Pager", "TO": ["4711"]}}, ...}

    `send` must use timeouts and never retry by itself. Several threads may use one instance at the same time. The other
    methods and attributes have defaults.
    """

    kind: ClassVar[str] = ""  # its name in the log
    SETTINGS: ClassVar[Mapping[str, str]] = {}  # option -> the Django setting it defaults to
    OPTIONS: ClassVar[frozenset[str]] = frozenset({"timeout"})  # further options, which have defaults
    REQUIRED: ClassVar[frozenset[str]] = frozenset()  # the options without which it cannot send
    SECRETS: ClassVar[frozenset[str]] = frozenset()  # the options whose values are taken out of every error
    WAITS: ClassVar[int] = 1  # how many answers a send may wait for, one after the other, each up to `timeout`
    can_edit: ClassVar[bool] = False  # news changes the first message in place
    can_find: ClassVar[bool] = False  # `search` can tell whether the provider took a message
    can_fold: ClassVar[bool] = False  # several alerts that wait may be sent as one message
    # With `can_fold`: so many messages within that time are sent one by one before that. None: all that wait together.
    HANDFUL: ClassVar[Window | None] = None
    RATES: ClassVar[tuple[Window, ...]] = ()  # how many messages in what time, unless LIMITS has RATES
    CRITICAL_RATES: ClassVar[tuple[Window, ...]] = ()  # how many more, for critical alerts
    EXAMPLE: ClassVar[str] = ""  # how to write an address, as a sentence
    RECIPIENTS: ClassVar[str] = ""  # the setting from which a site may take the addresses
    STAND_IN: ClassVar[str] = ""  # the address that its console twin shows while it has no recipients
    address_is_a_name: ClassVar[bool] = False  # any text will do; left out, it is the alias
    wakes: ClassVar[bool] = True  # rings at night
    costs: ClassVar[bool] = False  # each message costs money
    wants_html: ClassVar[bool] = True  # it uses `Message.html`; without that, html is not made

    def __init__(self, options: Mapping[str, object]) -> None:
        self.options = {name: value for name, value in options.items() if value not in (None, "")}
        self.timeout = float(str(self.options.get("timeout", DEFAULT_TIMEOUT)))
        # Seconds after which the caller gives a send up. `timeout` is the time without a byte, so a provider that sends
        # its answer byte by byte would never reach it.
        self.deadline = self.timeout * self.WAITS

    @property
    def answered_by(self) -> str:
        """How people answer a message about an alert: by a short "code" or a "link" in it; "" when they cannot."""
        return ""

    def option(self, name: str, default: str = "") -> str:
        return str(self.options.get(name, default))

    @classmethod
    def missing(cls, options: Mapping[str, object]) -> tuple[str, ...]:
        """The required options that are not set, in alphabetical order."""
        return tuple(sorted(name for name in cls.REQUIRED if not options.get(name)))

    @classmethod
    def wrong_options(cls, options: Mapping[str, object]) -> Iterator[tuple[str, str, str]]:
        """For `manage.py check`: options that are set and cannot work, each with why, and what to set.

        Shows no value.
        """
        yield from ()

    @classmethod
    def sends_nothing(cls, options: Mapping[str, object]) -> str:
        """Why messages reach nobody with these options although none is missing, as with a test backend; or ""."""
        return ""

    @staticmethod
    def check_address(address: str) -> str | None:
        """What is wrong with an address, in words for people, or None."""
        return None if address.strip() else "an address must not be empty"

    def words(self, message: Message) -> str:
        """The text of a message as it is sent here. It is kept with the attempt."""
        return message.text

    def deliver(self, address: str, message: Message) -> Receipt:
        """Send a message; the worker calls this. Raises DeliveryError only, without secrets, addresses or a cause."""
        return self._answer(address, lambda: _receipt(self.send(address, printable_message(message))))

    def find(self, address: str, reference: str, since: datetime, thread: str = "") -> Receipt | None:
        """Ask the provider for the message with this reference; None if it did not take it, or will not say.

        `since`: when the try began, aware. `thread`: what `Receipt.thread` was for an earlier message to this address.
        Raises DeliveryError with RETRY only: asking sends nothing, so nothing is uncertain.
        """
        try:
            return self._answer(address, lambda: self.search(address, reference, since - CLOCKS, thread))
        except DeliveryError as error:
            if error.result is Result.REJECTED:
                return None
            raise DeliveryError(Result.RETRY, error.code, error.detail, retry_after=error.retry_after) from None

    @abstractmethod
    def send(self, address: str, message: Message) -> Receipt:
        """Give the message to the provider. To be written by subclasses; called by `deliver`.

        Returns a Receipt when the provider took it. Raises DeliveryError with RETRY when it surely did not and may
        later, REJECTED when it never will, UNCERTAIN when nobody knows. Any other exception counts as UNCERTAIN.
        """

    def search(self, address: str, reference: str, since: datetime, thread: str) -> Receipt | None:
        """Ask the provider for a message. To be written by channels with `can_find`; called by `find`."""
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
        # Raised here and not above, so that an exception of a library, which may have a secret in it, is not its
        # context.
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
        """Every form in which the value of a secret option can stand in a text, the longest first."""
        forms = set()
        for value in (self.option(name) for name in self.SECRETS):
            forms |= {value, repr(value)[1:-1]}
            if value.startswith("http") and len(path := urlsplit(value).path.strip("/")) >= SHORTEST_PATH:
                forms.add(path)
        return sorted(filter(None, forms), key=len, reverse=True)


def _receipt(given: object) -> Receipt:
    """Refuse what is no Receipt, as a site's own channel may return: whether it was sent is not known then."""
    if isinstance(given, Receipt):
        return given
    raise DeliveryError(Result.UNCERTAIN, "no_receipt", "the channel returned no Receipt")


def wrong_url(option: str, value: object) -> Iterator[tuple[str, str, str]]:
    """What is wrong with an option that has to be a URL, if it is set."""
    parts = urlsplit(str(value or "https://unset"))
    if parts.scheme not in ("http", "https") or not parts.hostname:
        yield option, "is not a URL", "Write it with its scheme: https://..."
