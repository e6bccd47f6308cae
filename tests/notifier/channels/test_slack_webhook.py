"""Slack's incoming webhooks, which answer with a status and a word and raise nothing."""

from __future__ import annotations

import json

import pytest

from notifier.channels.slack_webhook import SlackWebhook
from notifier.facts import DeliveryError, Reason, Receipt, Result
from tests.fakes.slack import FakeSlack
from tests.notifier.channels.conftest import MESSAGE, TIMEOUT, message

RETRY, REJECTED, UNCERTAIN = Result.RETRY, Result.REJECTED, Result.UNCERTAIN


@pytest.fixture
def channel(slack: FakeSlack) -> SlackWebhook:
    return SlackWebhook({"url": slack.webhook_url, "timeout": TIMEOUT})


def test_posts_the_same_card_as_the_bot_does(channel: SlackWebhook, slack: FakeSlack) -> None:
    receipt = channel.deliver("#payments", MESSAGE)

    sent = json.loads(slack.received[0]["body"])
    assert receipt == Receipt()
    assert sent["blocks"][0]["text"]["text"].startswith(":red_circle: *Critical: invoice.paid cannot be processed")
    assert sent["text"].startswith("Critical: invoice.paid cannot be processed")
    assert (sent["mrkdwn"], sent["unfurl_links"], sent["unfurl_media"]) == (False, False, False)
    assert "channel" not in sent


def test_news_is_a_message_of_its_own(channel: SlackWebhook, slack: FakeSlack) -> None:
    channel.deliver("#payments", MESSAGE)
    channel.deliver("#payments", message(reason=Reason.UPDATE, news="412 more since the first message"))

    assert len(slack.messages) == 2
    assert "412 more since the first message" in slack.messages[1]["blocks"][0]["text"]["text"]


@pytest.mark.parametrize(
    ("status", "word", "result", "code", "dead"),
    [
        (404, "no_service", REJECTED, "no_service", True),
        (404, "channel_not_found", REJECTED, "channel_not_found", True),
        (404, "no_team", REJECTED, "no_team", True),
        (404, "anything", REJECTED, "http_404", True),
        (410, "channel_is_archived", REJECTED, "channel_is_archived", True),
        (403, "action_prohibited", REJECTED, "action_prohibited", True),
        (403, "invalid_token", REJECTED, "invalid_token", True),
        (403, "anything", REJECTED, "http_403", True),
        (400, "invalid_token", REJECTED, "invalid_token", True),  # its maker has left
        (400, "user_not_found", REJECTED, "user_not_found", True),
        (400, "anything", REJECTED, "http_400", False),
        (500, "rollup_error", UNCERTAIN, "http_500", False),
        (429, "rate_limited", RETRY, "http_429", False),
        (200, "<html>please log in</html>", RETRY, "unreadable_answer", False),
    ],
)
def test_each_answer_has_its_meaning(
    channel: SlackWebhook, slack: FakeSlack, status: int, word: str, result: Result, code: str, dead: bool
) -> None:
    slack.script({"status": status, "body": word})

    with pytest.raises(DeliveryError) as caught:
        channel.deliver("#payments", MESSAGE)

    assert (caught.value.result, caught.value.code, caught.value.target_dead) == (result, code, dead)
    assert len(slack.received) == 1


def test_refused_content_is_sent_once_more_as_a_short_plain_text(channel: SlackWebhook, slack: FakeSlack) -> None:
    slack.script({"status": 400, "body": "invalid_blocks"})

    channel.deliver("#payments", MESSAGE)

    assert slack.messages[0]["text"] == MESSAGE.short
    assert "blocks" not in slack.messages[0]


def test_content_refused_twice_is_rejected(channel: SlackWebhook, slack: FakeSlack) -> None:
    slack.script({"status": 400, "body": "invalid_payload"}, {"status": 400, "body": "invalid_payload"})

    with pytest.raises(DeliveryError) as caught:
        channel.deliver("#payments", MESSAGE)

    assert (caught.value.result, caught.value.code, caught.value.target_dead) == (REJECTED, "invalid_payload", False)


def test_a_url_does_not_belong_among_the_addresses() -> None:
    assert SlackWebhook.check_address("#payments") is None
    assert SlackWebhook.check_address("payments") is None
    assert "secret" in (SlackWebhook.check_address("https://hooks.slack.com/services/T0/B0/x") or "")
    assert SlackWebhook.check_address(" ") is not None
