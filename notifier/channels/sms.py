"""SMS through Twilio: at most two GSM-7 segments, with a reference by which the message can be found again."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlencode

from notifier.channels import failures
from notifier.channels.base import Channel, wrong_url
from notifier.channels.gsm7 import compose, segments
from notifier.channels.text import headline
from notifier.facts import PROVIDER_ID, DeliveryError, Message, Receipt, Result, storable
from notifier.judge import throttle

if TYPE_CHECKING:
    from twilio.base.exceptions import TwilioException
    from twilio.rest import Client

    from notifier.channels.twilio_http import HttpClient

VALIDITY = 3600  # seconds after which an undelivered alert is no longer news
LOOKED_THROUGH = 50  # messages to one number
BAD_CALLBACK = "21609"  # Twilio does not take the status callback's URL: https://www.twilio.com/docs/api/errors/21609

# Words only: Twilio advises to decide by the HTTP status. https://www.twilio.com/docs/api/errors
WORDS: dict[int, str] = {
    20003: "Twilio does not accept the account's credentials",
    10001: "the Twilio account is not active",
    20005: "the Twilio account is not active",
    20008: "test credentials cannot send",
    20429: "too many requests",
    21211: "not a telephone number that can be called",
    21212: "the sender is not a number of this account: check TWILIO_FROM",
    21408: "the account may not send to this country: allow it in Twilio's console",
    21606: "the sender cannot send SMS: check TWILIO_FROM",
    21608: "a trial account sends to verified numbers only",
    21610: "the recipient has answered STOP",
    21612: "this sender cannot reach this number",
    21614: "not a mobile number",
    30002: "the Twilio account is suspended",
    90010: "the Twilio account is not active",
    21617: "the text is too long",
    21659: "the sender is not a number of this account: check TWILIO_FROM",
}
DEAD = frozenset({21211, 21610, 21614})
# The account's: no number can be told until somebody pays, or corrects the credentials or the sender.
OF_THE_ACCOUNT = frozenset({10001, 20003, 20005, 20008, 21212, 30002, 90010})
# The number's or the country's, although the status may be one that others use for the account.
OF_THE_NUMBER = frozenset({21211, 21408, 21608, 21610, 21612, 21614})
# A number, a short code, a messaging service, or a name: https://www.twilio.com/docs/glossary/what-alphanumeric-sender-id
SENDER = re.compile(r"\+[1-9]\d{6,14}|\d{3,8}|MG[0-9a-fA-F]{32}|(?=.*[A-Za-z])[A-Za-z0-9 &+_-]{1,11}")
FAILED = frozenset({"failed", "undelivered", "canceled"})


class Sms(Channel):
    """Sends through Twilio's Messages API. `from` is a number or a messaging service (MG...)."""

    kind = "sms"
    wants_html = False
    SETTINGS: ClassVar[Mapping[str, str]] = {
        "account_sid": "TWILIO_ACCOUNT_SID",
        "auth_token": "TWILIO_AUTH_TOKEN",
        "from": "TWILIO_FROM",
        "base_url": "TWILIO_API_URL",
        "status_callback": "TWILIO_STATUS_CALLBACK",
        "inbound": "TWILIO_INBOUND",
    }
    OPTIONS = Channel.OPTIONS | {"validity_period", "links"}  # seconds; whether a page ends with a link
    REQUIRED = frozenset({"account_sid", "auth_token", "from"})
    SECRETS = frozenset({"auth_token"})
    WAITS = 4  # to look for an earlier message, to connect, to be answered, to ask without a callback
    RATES = throttle.SMS
    EXAMPLE = 'Write a plus, the country and the number, without spaces: "+14155552671".'
    RECIPIENTS = "ONCALL_NUMBERS"
    STAND_IN = "on-call"
    costs = True
    can_find = True
    can_fold = True

    @classmethod
    def wrong_options(cls, options: Mapping[str, object]) -> Iterator[tuple[str, str, str]]:
        """https://www.twilio.com/docs/glossary/what-is-a-sid"""
        account, token, sender = (str(options.get(name, "")) for name in ("account_sid", "auth_token", "from"))
        if account and not account.startswith("AC"):
            is_key = account.startswith("SK")
            text = "is an API key's, and no account's" if is_key else "is no account's SID"
            yield "account_sid", text, "An account's begins with AC; the console's first page shows it."
        if token.startswith(("AC", "SK")):
            yield "auth_token", "is a SID, and no token", "The console's first page shows the token of the account."
        if sender and not SENDER.fullmatch(sender):
            hint = "Write a number of yours (+14155552671), a messaging service (MG...), or a name of up to 11 letters."
            yield "from", "can send no SMS", hint
        yield from wrong_url("base_url", options.get("base_url"))
        yield from wrong_url("inbound", options.get("inbound"))
        if options.get("inbound") and not sender.startswith("MG") and re.search(r"[A-Za-z ]", sender):
            yield "inbound", "is set, and a sender's name can receive nothing", "Send from a number of yours."

    @property
    def answered_by(self) -> str:
        return "code" if self.option("inbound") else "link" if self.options.get("links") else ""

    @staticmethod
    def check_address(address: str) -> str | None:
        import phonenumbers

        try:
            number = phonenumbers.parse(address, None)
        except phonenumbers.NumberParseException:
            return f"{address!r} is no telephone number with its country: write it like +14155552671"
        written = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        if not phonenumbers.is_valid_number(number):
            return f"{address!r} is not a number that exists"
        return None if address == written else f"{address!r} has to be written as {written}"

    def words(self, message: Message) -> str:
        body = self._body(message)
        return body.replace(message.answer_url, "[link]") if message.answer_url else body

    def _body(self, message: Message) -> str:
        repeat = "Repeat? " if message.possible_repeat else ""
        return compose(repeat + (message.short or headline(message)), message.reference)

    def send(self, address: str, message: Message) -> Receipt:
        body = self._body(message)
        asked = {"to": address, "body": body, "validity_period": self._validity, **self._sender}
        try:
            sent = self._ask("create", **asked, **self._callback(message.reference))
        except DeliveryError as error:
            if error.code != BAD_CALLBACK:
                raise
            sent = self._ask("create", **asked)  # the alert is worth more than its receipt
        if not storable(sent.sid, PROVIDER_ID):  # the client takes an empty answer for a message
            raise _unreadable()
        return Receipt(provider_id=sent.sid, parts=segments(body))

    def search(self, address: str, reference: str, since: datetime, thread: str) -> Receipt | None:
        # Not by Twilio's filter on the date sent, which a message that still waits in its queue does not have.
        mark = re.compile(rf"(?<!\w){re.escape(reference)}(?!\w)")
        for sent in self._ask("list", to=address, limit=LOOKED_THROUGH):
            if isinstance(sent.date_created, datetime) and sent.date_created < since:
                continue
            if isinstance(sent.body, str) and str(sent.status) not in FAILED and mark.search(sent.body):
                return Receipt(provider_id=sent.sid, parts=segments(sent.body))
        return None

    def _ask(self, verb: str, **arguments: Any) -> Any:
        from requests import RequestException
        from twilio.base.exceptions import TwilioException

        client = self._client
        http: HttpClient = client.http_client
        try:
            return getattr(client.messages, verb)(**arguments)
        except TwilioException as error:  # both families: TwilioRestException and TwilioServiceException
            raise _refusal(error, http) from error
        except RequestException as error:
            raise failures.of_requests(error) from error
        except (ValueError, AttributeError, TypeError) as error:  # not JSON, not an object, or of odd values
            if http.status is None:
                raise failures.unusable("the account's credentials or the API's URL") from error
            raise _unreadable() from error

    @property
    def _sender(self) -> dict[str, str]:
        sender = self.option("from")
        return {"messaging_service_sid" if sender.startswith("MG") else "from_": sender}

    def _callback(self, reference: str) -> dict[str, str]:
        """Where Twilio reports what became of it. With the reference: a report can come before our answer does."""
        url = self.option("status_callback")
        if not url:
            return {}
        return {"status_callback": f"{url}?{urlencode({'reference': reference})}" if reference else url}

    @property
    def _validity(self) -> int:
        return int(self.option("validity_period", str(VALIDITY)))

    @cached_property
    def _client(self) -> Client:
        from twilio.rest import Client

        from notifier.channels.twilio_http import HttpClient

        client = Client(self.option("account_sid"), self.option("auth_token"), http_client=HttpClient(self.timeout))
        if self.option("base_url"):
            client.api.base_url = self.option("base_url").rstrip("/")
        return client


def _unreadable() -> DeliveryError:
    return DeliveryError(Result.UNCERTAIN, "unreadable_answer", "the answer is not from Twilio")


def _refusal(error: TwilioException, http: HttpClient) -> DeliveryError:
    status = http.status or 0
    code = getattr(error, "code", None)
    number = int(str(code)) if re.fullmatch(r"[0-9]{1,9}", str(code)) else 0
    known = number if number != status else 0
    said = getattr(error, "detail", None) or getattr(error, "title", None) or getattr(error, "msg", None)
    words = WORDS.get(known) or str(said or f"Twilio answered with HTTP {status}")
    refusal = failures.by_status(429 if known == 20429 else status, http.headers, words)
    final = refusal.result is Result.REJECTED
    return DeliveryError(
        refusal.result,
        str(known) if known and refusal.code != "redirected" else refusal.code,
        refusal.detail,
        retry_after=refusal.retry_after,
        target_dead=final and (known in DEAD or (refusal.target_dead and known not in OF_THE_NUMBER)),
        channel_dead=final and (known in OF_THE_ACCOUNT or (refusal.channel_dead and known not in OF_THE_NUMBER)),
    )
