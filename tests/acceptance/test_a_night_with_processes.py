"""The same night with real processes, on the database and the engine in use: web, worker, and Celery or Huey. Time does
not pass here: what it would make due is made due."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.acceptance.night import ANA, BEN, PUBLIC, SECRET, code_of, press, sms
from tests.acceptance.site import Providers, Site, database_in_use, event, eventually, running


@pytest.fixture
def site(tmp_path: Path, providers: Providers) -> Iterator[Site]:
    more = {
        "DJANGO_SETTINGS_MODULE": "tests.acceptance.night_settings",
        "TWILIO_INBOUND": PUBLIC,
        "SLACK_SIGNING_SECRET": SECRET,
    }
    with running(tmp_path, database_in_use(), environment=providers.environment() | more) as found:
        yield found


def test_a_page_that_nobody_answers_is_answered_by_the_next(site: Site, providers: Providers) -> None:
    def texts(number: str) -> list[str]:
        return [message["body"] for message in providers.twilio.messages if message["to"] == number]

    url = f"http://127.0.0.1:{site.port}/notifier"
    assert site.post(event("invoice.paid", behaviour="bug")) == 200
    eventually(lambda: texts(ANA), what="the first page")
    eventually(lambda: providers.slack.messages, what="the Slack message")
    assert texts(BEN) == []

    before = f"due_at = {site.ago(seconds=1)}, reached_at = {site.ago(minutes=15, seconds=1)}"
    site.execute(f"UPDATE swa_notifier_escalation SET {before}")
    [page] = eventually(lambda: texts(BEN), what="the second page")

    fields, headers = sms(f"{code_of(page)}a", BEN, site.environment["TWILIO_AUTH_TOKEN"])
    for _ in range(2):  # Twilio may post it twice
        answer = requests.post(f"{url}/twilio/answers/", data=fields, headers=headers, timeout=10)
        assert "acknowledged until" in answer.text
    said = "Ben acknowledged it by SMS"
    eventually(lambda: said in json.dumps(providers.slack.messages), what="the answer in Slack")
    eventually(lambda: any(text.startswith(said) for text in texts(ANA)), what="the answer by SMS")

    site.mended.touch()
    body, headers = press("Replay", providers.slack.messages[0], providers.slack.response_url)
    assert requests.post(f"{url}/slack/", data=body, headers=headers, timeout=10).status_code == 200
    over = "OK invoice.paid"
    eventually(lambda: texts(ANA)[-1].startswith(over) and texts(BEN)[-1].startswith(over), what="the end by SMS")
    eventually(lambda: "Resolved after" in json.dumps(providers.slack.messages[0]), what="the end in Slack")

    site.manage("digest", "daily")
    [letter] = eventually(lambda: list(providers.esp.messages), what="the digest")
    assert "1 alert, all over" in letter["text"]
    log = site.rows("SELECT verb, who, through FROM swa_notifier_logentry ORDER BY id")
    assert [entry for entry in log if entry[0] != "step"] == [("acknowledge", "Ben", "sms"), ("replay", "Ana", "slack")]
    assert [entry[0] for entry in log].count("step") == 3
