"""What SMS and voice calls share: Twilio's client, what a number must look like, and what Twilio's errors mean."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from notifier.channels import failures
from notifier.channels.base import Channel, wrong_url
from notifier.facts import DeliveryError, Result

if TYPE_CHECKING:
    from twilio.base.exceptions import TwilioException
    from twilio.rest import Client

    from notifier.channels.twilio_http import HttpClient

# Words for people. What is done is decided by the HTTP status, as Twilio advises. https://www.twilio.com/docs/api/errors
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
# About the account: nothing can be sent until somebody pays, or corrects the credentials or the sender.
OF_THE_ACCOUNT = frozenset({10001, 20003, 20005, 20008, 21212, 30002, 90010})
# About one number or country, although the HTTP status may be one that means the account elsewhere.
OF_THE_NUMBER = frozenset({21211, 21408, 21608, 21610, 21612, 21614})


class TwilioChannel(Channel):
    """A channel that sends through Twilio's API. `account_sid` and `auth_token` are options of every one."""

    @classmethod
    def wrong_options(cls, options: Mapping[str, object]) -> Iterator[tuple[str, str, str]]:
        """https://www.twilio.com/docs/glossary/what-is-a-sid"""
        account, token = (str(options.get(name, "")) for name in ("account_sid", "auth_token"))
        if account and not account.startswith("AC"):
            is_key = account.startswith("SK")
            text = "is the SID of an API key, not of an account" if is_key else "is not the SID of an account"
            yield "account_sid", text, "An account's begins with AC; the console's first page shows it."
        if token.startswith(("AC", "SK")):
            yield "auth_token", "is a SID, not a token", "The console's first page shows the token of the account."
        yield from wrong_url("base_url", options.get("base_url"))

    @staticmethod
    def check_address(address: str) -> str | None:
        import phonenumbers

        try:
            number = phonenumbers.parse(address, None)
        except phonenumbers.NumberParseException:
            return f"{address!r} is not a telephone number with its country: write it like +14155552671"
        written = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        if not phonenumbers.is_valid_number(number):
            return f"{address!r} is not a number that exists"
        return None if address == written else f"{address!r} has to be written as {written}"

    def _ask(self, resource: str, verb: str, **arguments: Any) -> Any:
        from requests import RequestException
        from twilio.base.exceptions import TwilioException

        client = self._client
        http: HttpClient = client.http_client
        try:
            return getattr(getattr(client, resource), verb)(**arguments)
        except TwilioException as error:  # both families: TwilioRestException and TwilioServiceException
            raise refusal(error, http) from error
        except RequestException as error:
            raise failures.of_requests(error) from error
        except (ValueError, AttributeError, TypeError) as error:  # not JSON, not an object, or of odd values
            if http.status is None:
                raise failures.unusable("the account's credentials or the API's URL") from error
            raise unreadable() from error

    @cached_property
    def _client(self) -> Client:
        from twilio.rest import Client

        from notifier.channels.twilio_http import HttpClient

        client = Client(self.option("account_sid"), self.option("auth_token"), http_client=HttpClient(self.timeout))
        if self.option("base_url"):
            client.api.base_url = self.option("base_url").rstrip("/")
        return client


def unreadable() -> DeliveryError:
    """The error for an answer that is not Twilio's."""
    return DeliveryError(Result.UNCERTAIN, "unreadable_answer", "the answer is not from Twilio")


def refusal(error: TwilioException, http: HttpClient) -> DeliveryError:
    """The error for an answer by which Twilio refuses a message."""
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
