"""An answer by SMS, as Twilio posts it, and what became of it."""

from __future__ import annotations

import re
import secrets
import time

import requests
from twilio.request_validator import RequestValidator

from tests.chaos.audit import Count
from tests.chaos.machine import Machine

PUBLIC = "https://shop.example/notifier/twilio/answers/"
PATIENCE = 30.0  # seconds


def acknowledge(machine: Machine, event_type: str) -> None:
    """Post "1a" under one id until it is answered, as Twilio does, only sooner."""
    page = next(one for one in reversed(machine.providers.twilio.messages) if event_type in one["body"])
    found = re.search(r"Reply (\d+)a", page["body"])
    assert found, page["body"]
    fields = {
        "MessageSid": f"SM{secrets.token_hex(16)}",
        "From": page["to"],
        "To": page["from"],
        "Body": f"{found[1]}a",
    }
    signature = RequestValidator(machine.environment["TWILIO_AUTH_TOKEN"]).compute_signature(PUBLIC, fields)
    url = f"http://127.0.0.1:{machine.port}/notifier/twilio/answers/"
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            answer = requests.post(url, data=fields, headers={"X-Twilio-Signature": signature}, timeout=10)
        except requests.RequestException:
            machine.revive()
        else:
            assert answer.status_code == 200, answer.text
            assert "acknowledged until" in answer.text, answer.text
            return
    raise AssertionError(f"an answer was not taken within {PATIENCE:g} s")


def answers(machine: Machine, event_type: str) -> Count:
    """It was done, and once."""
    count = Count()
    alerts = f"FROM swa_notifier_alert a WHERE event_type = '{event_type}'"
    done = machine.value(
        f"SELECT count(*) {alerts.replace('WHERE', 'JOIN swa_notifier_logentry l ON l.alert_id = a.id WHERE')}"
        " AND l.verb = 'acknowledge'"
    )
    if not machine.value(f"SELECT count(*) {alerts} AND acknowledged_until IS NOT NULL"):
        count.lost_alert("an acknowledgement was answered and is not there")
    if done != 1:
        count.effects_doubled += max(done - 1, 0)
        count.notes.append(f"an answer is in the log {done} times")
    return count
