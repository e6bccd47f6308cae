"""SMS by Twilio, of at most two segments. A reference in the text lets a message be found again at Twilio."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import ClassVar
from urllib.parse import urlencode

from notifier.channels.base import wrong_url
from notifier.channels.gsm7 import compose, segments
from notifier.channels.text import headline
from notifier.channels.twilio_api import TwilioChannel, unreadable
from notifier.facts import PROVIDER_ID, DeliveryError, Message, Receipt, storable
from notifier.judge import throttle

VALIDITY = 3600  # seconds for which Twilio tries to deliver; later it is no news any more
LOOKED_THROUGH = 50  # messages to one number
BAD_CALLBACK = "21609"  # Twilio does not take the status callback's URL: https://www.twilio.com/docs/api/errors/21609

# A number, a short code, a messaging service, or a name: https://www.twilio.com/docs/glossary/what-alphanumeric-sender-id
SENDER = re.compile(r"\+[1-9]\d{6,14}|\d{3,8}|MG[0-9a-fA-F]{32}|(?=.*[A-Za-z])[A-Za-z0-9 &+_-]{1,11}")
FAILED = frozenset({"failed", "undelivered", "canceled"})


class Sms(TwilioChannel):
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
    OPTIONS = TwilioChannel.OPTIONS | {"validity_period", "links"}  # seconds; whether a page ends with a link
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
        yield from super().wrong_options(options)
        sender = str(options.get("from", ""))
        if sender and not SENDER.fullmatch(sender):
            hint = "Write a number of yours (+14155552671), a messaging service (MG...), or a name of up to 11 letters."
            yield "from", "can send no SMS", hint
        yield from wrong_url("inbound", options.get("inbound"))
        if options.get("inbound") and not sender.startswith("MG") and re.search(r"[A-Za-z ]", sender):
            yield "inbound", "is set, and a sender's name can receive nothing", "Send from a number of yours."

    @property
    def answered_by(self) -> str:
        return "code" if self.option("inbound") else "link" if self.options.get("links") else ""

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
            sent = self._ask("messages", "create", **asked, **self._callback(message.reference))
        except DeliveryError as error:
            if error.code != BAD_CALLBACK:
                raise
            sent = self._ask("messages", "create", **asked)  # without a report, rather than not at all
        if not storable(sent.sid, PROVIDER_ID):  # Twilio's client makes a message of an empty answer, too
            raise unreadable()
        return Receipt(provider_id=sent.sid, parts=segments(body))

    def search(self, address: str, reference: str, since: datetime, thread: str) -> Receipt | None:
        # Without Twilio's filter by the date of sending: a message that waits in its queue has none.
        mark = re.compile(rf"(?<!\w){re.escape(reference)}(?!\w)")
        for sent in self._ask("messages", "list", to=address, limit=LOOKED_THROUGH):
            if isinstance(sent.date_created, datetime) and sent.date_created < since:
                continue
            if isinstance(sent.body, str) and str(sent.status) not in FAILED and mark.search(sent.body):
                return Receipt(provider_id=sent.sid, parts=segments(sent.body))
        return None

    @property
    def _sender(self) -> dict[str, str]:
        sender = self.option("from")
        return {"messaging_service_sid" if sender.startswith("MG") else "from_": sender}

    def _callback(self, reference: str) -> dict[str, str]:
        """The URL to which Twilio reports, with the reference in it: a report may come before we know Twilio's id."""
        url = self.option("status_callback")
        if not url:
            return {}
        return {"status_callback": f"{url}?{urlencode({'reference': reference})}" if reference else url}

    @property
    def _validity(self) -> int:
        return int(self.option("validity_period", str(VALIDITY)))
