"""The fakes as processes, which is how tests of whole systems use them; and what they hold against a request."""

from __future__ import annotations

import json
import re
import smtplib
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.request import Request, urlopen

import pytest

from notifier.channels.slack import Slack
from notifier.facts import DeliveryError
from tests.fakes.described import wrong_for_slack, wrong_for_twilio
from tests.notifier.channels.conftest import MESSAGE, SLACK_TOKEN

MODULES = ("slack", "twilio", "esp", "smtp")


@contextmanager
def process(module: str, *arguments: str) -> Iterator[str]:
    """The fake's first line, which says where it listens."""
    command = [sys.executable, "-m", f"tests.fakes.{module}", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        try:
            yield running.stdout.readline()
        finally:
            running.kill()


def ask(url: str, body: Any = None) -> Any:
    request = Request(url, data=None if body is None else json.dumps(body).encode())
    with urlopen(request, timeout=5) as answer:
        return json.load(answer)


def url_in(line: str) -> str:
    found = re.search(r"http://127\.0\.0\.1:\d+", line)
    assert found, line
    return found[0]


@pytest.mark.parametrize("module", MODULES)
def test_a_fake_starts_as_a_process_and_says_where(module: str) -> None:
    with process(module) as line:
        assert ask(f"{url_in(line)}/_received") == []


def test_a_process_is_scripted_and_asked_over_http() -> None:
    with process("slack", "--port", "0") as line:
        url = url_in(line)
        channel = Slack({"token": SLACK_TOKEN, "base_url": f"{url}/api/", "timeout": 5})
        ask(f"{url}/_script", [{"status": 429, "headers": {"Retry-After": "3"}}])

        with pytest.raises(DeliveryError, match="http_429"):
            channel.deliver("#payments", MESSAGE)
        channel.deliver("#payments", MESSAGE)

        assert [request["path"] for request in ask(f"{url}/_received")] == ["/api/chat.postMessage"] * 2
        assert len(ask(f"{url}/_messages")) == 1
        ask(f"{url}/_reset", {})
        assert ask(f"{url}/_messages") == []


def test_the_mail_server_is_scripted_over_http_too() -> None:
    with process("smtp") as line:
        url, port = url_in(line), int(re.findall(r"127\.0\.0\.1:(\d+)", line)[0])
        ask(f"{url}/_script", {"stage": "RCPT", "reply": "550 unknown"})
        with smtplib.SMTP("127.0.0.1", port, timeout=5) as client:
            with pytest.raises(smtplib.SMTPRecipientsRefused):
                client.sendmail("a@shop.example", ["b@shop.example"], "Subject: one\r\n\r\ntext")
            client.sendmail("a@shop.example", ["b@shop.example"], "Subject: two\r\n\r\ntext")

        assert [mail["subject"] for mail in ask(f"{url}/_messages")] == ["two"]


@pytest.mark.parametrize(
    ("method", "fields", "says"),
    [
        ("chat.postMessage", {"channel": "#payments", "text": "x"}, ""),
        ("chat.postMessage", {"text": "x"}, "channel is missing"),
        ("chat.postMessage", {"channel": "#payments", "txt": "x"}, "there is no txt"),
        ("chat.postMessage", {"channel": "#payments", "thread_ts": "now"}, "thread_ts cannot be 'now'"),
        ("chat.update", {"channel": "#payments", "ts": "1700000000.000100"}, "channel cannot be '#payments'"),
        ("chat.postMessage", {"channel": "#a", "blocks": [{"type": "section", "text": {"type": "html"}}]}, "blocks"),
        ("chat.postMessage", {"channel": "#a", "blocks": [{"type": "table"}]}, "blocks"),
        ("usergroups.users.update", {"usergroup": "S0123ABCD", "users": ""}, "users cannot be ''"),
        ("chat.unfurl", {}, "no method is called chat.unfurl"),
    ],
)  # fmt: skip
def test_what_slack_does_not_describe_is_seen(method: str, fields: dict[str, Any], says: str) -> None:
    found = wrong_for_slack(method, fields)
    assert says in found
    assert bool(found) is bool(says)


@pytest.mark.parametrize(
    ("resource", "fields", "says"),
    [
        ("Messages", {"To": "+14155552671", "From": "+15005550006", "Body": "x"}, ""),
        ("Messages", {"To": "+14155552671", "Body": "x"}, "one of From and MessagingServiceSid"),
        ("Messages", {"To": "4155552671", "From": "+15005550006", "Body": "x"}, "To cannot be"),
        ("Messages", {"To": "+14155552671", "From": "+15005550006", "Body": "x" * 1601}, "Body cannot be"),
        ("Calls", {"To": "+14155552671", "From": "+15005550006", "Twiml": "<Response><Shout/></Response>"}, "Twiml"),
        ("Calls", {"To": "+14155552671", "From": "+15005550006", "Twiml": "<Response>"}, "Twiml"),
        ("Faxes", {}, "nothing to POST is called Faxes"),
    ],
)
def test_what_twilio_does_not_describe_is_seen(resource: str, fields: dict[str, Any], says: str) -> None:
    found = wrong_for_twilio("POST", resource, fields)
    assert says in found
    assert bool(found) is bool(says)
