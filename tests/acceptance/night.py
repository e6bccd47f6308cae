"""The people and the routes of the night, for the story on a clock of its own and for the one with real processes; and
what Twilio and Slack post about them, signed."""

from __future__ import annotations

import json
import re
import secrets
import time
from typing import Any
from urllib.parse import urlencode

from slack_sdk.signature import SignatureVerifier
from twilio.request_validator import RequestValidator

ANA, BEN, STRANGER = "+4915112345678", "+4915112345679", "+4915199999999"
ANA_IN_SLACK, SECRET = "U0123ABCD", "slack-secret-of-this-night"
PUBLIC = "https://shop.example/notifier/twilio/answers/"
NOTIFIER: dict[str, Any] = {
    "CHANNELS": {
        "slack": {"BACKEND": "slack", "TO": "#payments"},
        "primary": {"BACKEND": "sms", "TO": {"oncall": "payments"}},
        "secondary": {"BACKEND": "sms", "TO": {"oncall": "second-line"}},
        "team": {"BACKEND": "email", "TO": ["team@shop.example"]},
    },
    "PEOPLE": {
        "ana": {"NAME": "Ana", "SLACK_ID": ANA_IN_SLACK, "ADDRESSES": {"sms": ANA}},
        "ben": {"NAME": "Ben", "ADDRESSES": {"sms": BEN}},
    },
    "ONCALL": {
        "payments": {"HANDOVER": "Mon 09:00", "START": "2026-01-05", "MEMBERS": ["ana"]},
        "second-line": {"HANDOVER": "Mon 09:00", "START": "2026-01-05", "MEMBERS": ["ben"]},
    },
    "CLASSIFY": [{"match": {"event": "invoice.paid"}, "severity": "critical"}],
    "ROUTES": [
        {
            "name": "page",
            "match": {"severity": "critical"},
            "to": ["slack", "primary"],
            "escalate": [{"after": "15m", "to": ["secondary"]}, {"after": "1h", "last_resort": True}],
        },
        {"name": "rest", "to": ["slack"]},
    ],
    "DIGESTS": {"daily": {"AT": "08:00", "TO": ["team"]}},
    "TZ": "Europe/Berlin",
}
Signed = tuple[dict[str, str], dict[str, str]]  # the form's fields and the headers


def sms(text: str, sender: str, token: str, *, sid: str = "") -> Signed:
    """An SMS to the site, as Twilio posts it: https://www.twilio.com/docs/messaging/guides/webhook-request"""
    sid = sid or f"SM{secrets.token_hex(16)}"
    fields = {"MessageSid": sid, "From": sender, "To": "+15005550006", "Body": text}
    return fields, {"X-Twilio-Signature": RequestValidator(token).compute_signature(PUBLIC, fields)}


def press(
    button: str, message: dict[str, Any], response_url: str, *, secret: str = SECRET, late: int = 0
) -> tuple[str, dict[str, str]]:
    """Ana presses a button of a message, as Slack tells of it; the body and the headers."""
    blocks = [block for block in message["blocks"] if block["type"] == "actions"]
    values = {one["text"]["text"]: one["value"] for block in blocks for one in block["elements"]}
    stamp = str(int(time.time()) - late)
    payload = {
        "type": "block_actions",
        "trigger_id": f"1.2.{secrets.token_hex(8)}",
        "team": {"id": "T0123ABCD"},
        "user": {"id": ANA_IN_SLACK, "team_id": "T0123ABCD"},
        "channel": {"id": message["channel"]},
        "response_url": response_url,
        "actions": [{"type": "button", "action_id": "answer_0", "value": values[button], "action_ts": stamp}],
    }
    body = urlencode({"payload": json.dumps(payload)})
    return body, {
        "X-Slack-Request-Timestamp": stamp,
        "X-Slack-Signature": SignatureVerifier(secret).generate_signature(timestamp=stamp, body=body) or "",
        "Content-Type": "application/x-www-form-urlencoded",
    }


def code_of(page: str) -> str:
    """The number that a page gives to be answered with: "Reply 1a=ack." """
    found = re.search(r"Reply (\d+)a", page)
    assert found, page
    return found[1]
