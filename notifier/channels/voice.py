"""A telephone call by Twilio. It says the message; key 4 acknowledges it, key 6 calls the next person.

That the call was taken is no answer, since it may be a mailbox: only a key is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar
from urllib.parse import urlencode
from xml.sax.saxutils import escape, quoteattr

from notifier.channels.base import wrong_url
from notifier.channels.text import cut, headline, one_line
from notifier.channels.twilio_api import TwilioChannel, unreadable
from notifier.facts import PROVIDER_ID, Message, Reason, Receipt, storable
from notifier.judge import throttle

SAID = 500  # characters
RING = 40  # seconds
WAIT = 8  # seconds for a key
# For these nobody is called: people hear of them on their other channels.
NO_CALL = frozenset({Reason.UPDATE, Reason.ANSWERED, Reason.RESOLVED, Reason.DIGEST})
KEYS = "Press 4 to acknowledge, 6 for the next person."


class Voice(TwilioChannel):
    """Calls people.

    `from`: a number of the account that can call; `answers`: the public URL to which keys are posted.
    """

    kind = "voice"
    wants_html = False
    SETTINGS: ClassVar[Mapping[str, str]] = {
        "account_sid": "TWILIO_ACCOUNT_SID",
        "auth_token": "TWILIO_AUTH_TOKEN",
        "from": "TWILIO_VOICE_FROM",
        "base_url": "TWILIO_API_URL",
        "answers": "TWILIO_VOICE_ANSWERS",
    }
    REQUIRED = frozenset({"account_sid", "auth_token", "from"})
    SECRETS = frozenset({"auth_token"})
    WAITS = 2
    RATES = throttle.SMS
    EXAMPLE = 'Write a plus, the country and the number, without spaces: "+14155552671".'
    costs = True
    can_fold = True

    @classmethod
    def wrong_options(cls, options: Mapping[str, object]) -> Iterator[tuple[str, str, str]]:
        yield from super().wrong_options(options)
        sender = str(options.get("from", ""))
        if sender and cls.check_address(sender):
            yield "from", "is not a number that can call", "Write a number of yours with its country: +14155552671."
        yield from wrong_url("answers", options.get("answers"))

    @property
    def answered_by(self) -> str:
        return "link" if self.option("answers") else ""

    def words(self, message: Message) -> str:
        if message.reason in NO_CALL:
            return f"(no call) {one_line(headline(message))}"
        spoken = (headline(message), *message.summary[:1])
        return cut(one_line(". ".join(spoken).replace(" · ", ", ")), SAID)

    def send(self, address: str, message: Message) -> Receipt:
        if message.reason in NO_CALL:
            return Receipt(parts=0, note="nobody is called for this")
        call = self._ask(
            "calls", "create", to=address, from_=self.option("from"), twiml=self._script(message), timeout=RING
        )
        if not storable(call.sid, PROVIDER_ID):
            raise unreadable()
        return Receipt(provider_id=call.sid)

    def _script(self, message: Message) -> str:
        """What the call says, twice, with time for a key: https://www.twilio.com/docs/voice/twiml"""
        say = f"<Say>{escape(self.words(message))}</Say>"
        token = message.answer_url.rstrip("/").rpartition("/")[2]
        if not token or not self.option("answers"):
            return f"<Response>{say}<Pause/>{say}</Response>"
        action = quoteattr(f"{self.option('answers')}?{urlencode({'link': token})}")
        keys = f'<Gather numDigits="1" timeout="{WAIT}" action={action}>{say}<Say>{KEYS}</Say></Gather>'
        return f"<Response>{keys}{keys}</Response>"
