"""The fakes as processes, which is how tests of whole systems use them."""

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
