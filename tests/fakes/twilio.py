"""Twilio's Messages API: https://www.twilio.com/docs/messaging/api/message-resource"""

from __future__ import annotations

import re
import secrets
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

from tests.fakes import Fake, Reply, Request, run
from tests.fakes.described import wrong_for_twilio

# Twilio's own numbers for tests: https://www.twilio.com/docs/iam/test-credentials
MAGIC = {
    "+15005550001": (21211, "The 'To' number +15005550001 is not a valid phone number."),
    "+15005550002": (21612, "The 'To' phone number cannot be reached from the 'From' number."),
    "+15005550003": (21408, "Permission to send an SMS has not been enabled for the region."),
    "+15005550004": (21610, "Attempt to send to unsubscribed recipient"),
    "+15005550009": (21614, "'To' number is not a valid mobile number"),
}


class FakeTwilio(Fake):
    """Twilio, which takes every message but those to its own test numbers."""

    name = "twilio"

    def respond(self, request: Request) -> Reply:
        if not re.fullmatch(r"/2010-04-01/Accounts/AC\w+/(Messages|Calls)\.json", request.path):
            return problem(404, 20404, "The requested resource was not found")
        if not request.headers.get("authorization", "").startswith("Basic "):
            return problem(401, 20003, "Authenticate")
        resource = request.path.rpartition("/")[2].removesuffix(".json")
        fields = request.query if request.method == "GET" else request.fields
        if wrong := wrong_for_twilio(request.method, resource, fields):
            self.wrong.append(f"{request.path}: {wrong}")
        if request.method == "GET":
            return self._list(request.query)
        return self._call(request) if request.path.endswith("/Calls.json") else self._create(request)

    def _create(self, request: Request) -> Reply:
        fields = request.fields
        to = fields.get("To", "")
        if to in MAGIC:
            return problem(400, *MAGIC[to])
        if len(fields.get("Body", "")) > 1600:
            return problem(400, 21617, "The concatenated message body exceeds the 1600 character limit.")
        message = _resource(request.path.split("/")[3], fields)
        self.messages.append(message)
        return Reply.of(message, 201)

    def _call(self, request: Request) -> Reply:
        """https://www.twilio.com/docs/voice/api/call-resource"""
        fields = request.fields
        if fields.get("To", "") in MAGIC:
            return problem(400, *MAGIC[fields["To"]])
        if len(fields.get("Twiml", "")) > 4000:
            return problem(400, 21218, "Invalid ApplicationSid or TwiML")
        call = {"sid": "CA" + secrets.token_hex(16), "to": fields["To"], "twiml": fields.get("Twiml")}
        self.messages.append(call | {"from": fields.get("From")})
        return Reply.of(call, 201)

    def _list(self, query: dict[str, str]) -> Reply:
        found = [message for message in reversed(self.messages) if message["to"] == query.get("To", message["to"])]
        page = {"messages": found[: int(query.get("PageSize", 50))], "page": 0, "page_size": 50}
        return Reply.of(page | {"next_page_uri": None, "previous_page_uri": None, "uri": "", "start": 0, "end": 0})


def problem(status: int, code: int, message: str) -> Reply:
    more = f"https://www.twilio.com/docs/errors/{code}"
    return Reply.of({"code": code, "message": message, "more_info": more, "status": status}, status)


def _resource(account: str, fields: dict[str, Any]) -> dict[str, Any]:
    now = format_datetime(datetime.now(UTC))
    service = fields.get("MessagingServiceSid")
    return {
        "sid": "SM" + secrets.token_hex(16),
        "account_sid": account,
        "messaging_service_sid": service,
        "to": fields.get("To"),
        "from": fields.get("From"),
        "body": fields.get("Body"),
        "status": "accepted" if service else "queued",
        "num_segments": "0" if service else "1",
        "num_media": "0",
        "direction": "outbound-api",
        "date_created": now,
        "date_updated": now,
        "date_sent": None,
        "price": None,
        "price_unit": "USD",
        "error_code": None,
        "error_message": None,
        "api_version": "2010-04-01",
        "uri": "",
        "subresource_uris": {},
        "validity_period": fields.get("ValidityPeriod"),
    }


if __name__ == "__main__":
    run(FakeTwilio)
