"""Slack with a bot: what is posted, what is edited, and what each of its errors means."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from notifier.channels.slack import Slack
from notifier.facts import DeliveryError, Message, Reason, Receipt, Result
from tests.fakes.slack import FakeSlack, channel_id
from tests.notifier.channels.conftest import MESSAGE, SHORT_TIMEOUT, SLACK_TOKEN, TIMEOUT, TOO_LATE, message

RETRY, REJECTED, UNCERTAIN = Result.RETRY, Result.REJECTED, Result.UNCERTAIN
CHANNEL = channel_id("#payments")
FIVE_MINUTES = timedelta(minutes=5)


@pytest.fixture
def channel(slack: FakeSlack) -> Slack:
    return Slack({"token": SLACK_TOKEN, "base_url": slack.api_url, "timeout": TIMEOUT})


def fails(channel: Slack, sent: Message = MESSAGE) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        channel.deliver("#payments", sent)
    return caught.value


def calls(slack: FakeSlack) -> list[str]:
    return [request["path"].removeprefix("/api/") for request in slack.received]


def shown(posted: dict[str, Any]) -> list[str]:
    """The lines of a posted message, as they were laid out."""
    texts = [block["text"]["text"] for block in posted["blocks"] if block["type"] == "section"]
    texts += [part["text"] for block in posted["blocks"] if block["type"] == "context" for part in block["elements"]]
    return "\n".join(texts).split("\n")


def first(channel: Slack) -> Receipt:
    return channel.deliver("#payments", MESSAGE)


def test_posts_a_card_with_everything_one_needs_at_night(channel: Slack, slack: FakeSlack) -> None:
    receipt = first(channel)

    posted = slack.messages[0]
    assert shown(posted) == [
        ":red_circle: *Critical: invoice.paid cannot be processed, database unavailable*",
        "EUR 1,250.00 at risk · live · customer cus_9s6XKzkNRiz8i3 · 1 event",
        "OperationalError: server closed the connection in billing/handlers.py:84 record_payment",
        "*Do:* check the database first. Nothing is lost: the event is stored.",
        '<https://shop.example/alerts/118?a=1&amp;b=2|Open alert 118> · sent because: first failure (route "page")',
    ]
    assert posted["text"].startswith("Critical: invoice.paid cannot be processed, database unavailable\n")
    assert posted["metadata"] == {"event_type": "stripe_alert", "event_payload": {"reference": "k7Qp2w"}}
    assert receipt.provider_id == posted["ts"]
    assert json.loads(receipt.thread) == {"channel": CHANNEL, "ts": posted["ts"]}
    assert (receipt.parts, receipt.note) == (1, "")


def test_the_request_keeps_slack_from_reading_anything_into_it(channel: Slack, slack: FakeSlack) -> None:
    first(channel)

    sent = json.loads(slack.received[0]["body"])
    assert slack.received[0]["headers"]["authorization"] == f"Bearer {SLACK_TOKEN}"
    assert sent["channel"] == "#payments"
    assert (sent["parse"], sent["link_names"], sent["mrkdwn"]) == ("none", False, False)
    assert (sent["unfurl_links"], sent["unfurl_media"]) == (False, False)
    assert all(block["text"]["verbatim"] for block in sent["blocks"] if block["type"] == "section")


@pytest.mark.parametrize(
    ("reason", "broadcast", "lines"),
    [
        (Reason.UPDATE, False, ["412 more since the first message"]),
        (
            Reason.RAISED,
            True,
            [":red_circle: *Raised to critical: {title}*", "*Do:* {action}", "412 more since the first message"],
        ),
        (
            Reason.REPEAT,
            True,
            [":red_circle: *Still open: {title}*", "*Do:* {action}", "412 more since the first message"],
        ),
        (
            Reason.REOPENED,
            True,
            [":red_circle: *Open again: {title}*", "*Do:* {action}", "412 more since the first message"],
        ),
        (
            Reason.RESOLVED,
            False,
            [":large_green_circle: *Resolved: {title}*", "*Do:* {action}", "412 more since the first message"],
        ),
    ],
)
def test_news_edits_the_first_message_and_goes_below_it(
    channel: Slack, slack: FakeSlack, reason: Reason, broadcast: bool, lines: list[str]
) -> None:
    thread = first(channel).thread
    news = message(
        reason=reason,
        thread=thread,
        reference="second",
        summary=("413 events",),
        news="412 more since the first message",
        footer=(),
    )

    receipt = channel.deliver("#payments", news)

    root, reply = slack.messages
    assert calls(slack) == ["chat.postMessage", "chat.update", "chat.postMessage"]
    assert root["edits"] == 1
    assert "413 events" in shown(root)
    assert root["metadata"]["event_payload"]["reference"] == "k7Qp2w"
    assert reply["thread_ts"] == root["ts"]
    assert reply.get("reply_broadcast", False) is broadcast
    expected = [line.format(title=MESSAGE.title, action=MESSAGE.action) for line in lines]
    assert shown(reply)[: len(expected)] == expected
    assert (receipt.provider_id, receipt.thread) == (reply["ts"], thread)


def test_a_resolved_alert_turns_green(channel: Slack, slack: FakeSlack) -> None:
    thread = first(channel).thread
    title = "Resolved after 17 min: all 413 events are processed"

    channel.deliver("#payments", message(reason=Reason.RESOLVED, title=title, thread=thread))

    assert shown(slack.messages[0])[0] == f":large_green_circle: *{title}*"


@pytest.mark.parametrize("reason", [Reason.FIRST, Reason.DIGEST, Reason.TEST])
def test_what_belongs_to_no_earlier_message_is_posted_alone(channel: Slack, slack: FakeSlack, reason: Reason) -> None:
    thread = first(channel).thread

    channel.deliver("#payments", message(reason=reason, thread=thread))

    assert calls(slack) == ["chat.postMessage", "chat.postMessage"]
    assert "thread_ts" not in slack.messages[1]


@pytest.mark.parametrize("thread", ["", "garbage", "[]", '{"ts": "1"}', "<k7Qp2w@shop.example>"])
def test_a_thread_that_is_not_ours_starts_anew(channel: Slack, slack: FakeSlack, thread: str) -> None:
    receipt = channel.deliver("#payments", message(reason=Reason.UPDATE, thread=thread))

    assert calls(slack) == ["chat.postMessage"]
    assert json.loads(receipt.thread)["ts"] == slack.messages[0]["ts"]


@pytest.mark.parametrize("error", ["message_not_found", "cant_update_message", "edit_window_closed"])
def test_a_message_that_cannot_be_edited_is_posted_anew(channel: Slack, slack: FakeSlack, error: str) -> None:
    thread = first(channel).thread
    slack.script({"match": "chat.update", "body": {"ok": False, "error": error}})

    receipt = channel.deliver("#payments", message(reason=Reason.UPDATE, thread=thread, news="more"))

    assert "thread_ts" not in slack.messages[1]
    assert json.loads(receipt.thread)["ts"] == slack.messages[1]["ts"]


@pytest.mark.parametrize("step", [{"broken": "closed"}, {"broken": "reset", "taken": True}, {"delay": TOO_LATE}])
def test_an_edit_of_unknown_outcome_may_be_repeated(channel: Slack, slack: FakeSlack, step: dict[str, Any]) -> None:
    thread = first(channel).thread
    slack.script({"match": "chat.update", **step})
    hurried = Slack({**channel.options, "timeout": SHORT_TIMEOUT if "delay" in step else TIMEOUT})

    error = fails(hurried, message(reason=Reason.UPDATE, thread=thread))

    assert error.result is RETRY
    assert len(slack.messages) == 1


def test_news_of_unknown_outcome_is_uncertain(channel: Slack, slack: FakeSlack) -> None:
    thread = first(channel).thread
    slack.script({"match": "chat.postMessage", "broken": "reset", "taken": True})

    error = fails(channel, message(reason=Reason.UPDATE, thread=thread))

    assert error.result is UNCERTAIN
    assert len(slack.messages) == 2


@pytest.mark.parametrize(
    ("error", "result", "dead"),
    [
        # try again
        ("ratelimited", RETRY, False),
        ("fatal_error", UNCERTAIN, False),
        ("internal_error", UNCERTAIN, False),
        ("service_unavailable", RETRY, False),
        ("request_timeout", RETRY, False),
        ("team_added_to_org", RETRY, False),
        # the channel
        ("channel_not_found", REJECTED, True),
        ("not_in_channel", REJECTED, True),
        ("is_archived", REJECTED, True),
        ("restricted_action", REJECTED, True),
        # the token
        ("invalid_auth", REJECTED, True),
        ("not_authed", REJECTED, True),
        ("token_revoked", REJECTED, True),
        ("token_expired", REJECTED, True),
        ("account_inactive", REJECTED, True),
        ("missing_scope", REJECTED, True),
        # never heard of
        ("as_good_as_new", REJECTED, False),
    ],
)
def test_each_error_has_its_meaning(channel: Slack, slack: FakeSlack, error: str, result: Result, dead: bool) -> None:
    slack.script({"body": {"ok": False, "error": error}})

    failed = fails(channel)

    assert (failed.result, failed.code, failed.target_dead) == (result, error, dead)
    assert failed.detail
    assert len(slack.received) == 1


@pytest.mark.parametrize("error", ["msg_too_long", "msg_blocks_too_long", "invalid_blocks", "no_text"])
def test_refused_content_is_sent_once_more_as_a_short_plain_text(channel: Slack, slack: FakeSlack, error: str) -> None:
    slack.script({"body": {"ok": False, "error": error}})

    channel.deliver("#payments", MESSAGE)

    assert slack.messages[0]["text"] == MESSAGE.short
    assert slack.messages[0]["blocks"] == []
    assert slack.messages[0]["metadata"]["event_payload"]["reference"] == "k7Qp2w"


def test_content_refused_twice_is_rejected_and_the_target_lives(channel: Slack, slack: FakeSlack) -> None:
    refused = {"body": {"ok": False, "error": "invalid_blocks"}}
    slack.script(refused, refused)

    failed = fails(channel)

    assert (failed.result, failed.code, failed.target_dead) == (REJECTED, "invalid_blocks", False)
    assert len(slack.received) == 2


def test_the_edit_is_sent_once_more_without_blocks(channel: Slack, slack: FakeSlack) -> None:
    thread = first(channel).thread
    slack.script({"match": "chat.update", "body": {"ok": False, "error": "msg_blocks_too_long"}})

    channel.deliver("#payments", message(reason=Reason.UPDATE, thread=thread, news="more"))

    assert slack.messages[0]["blocks"] == []
    assert len(slack.messages) == 2


@pytest.mark.parametrize(
    ("sent", "reference", "since", "found"),
    [
        (MESSAGE, "k7Qp2w", -FIVE_MINUTES, True),
        (MESSAGE, "k7Qp2", -FIVE_MINUTES, False),  # not a part of it
        (MESSAGE, "k7Qp2w", 3 * FIVE_MINUTES, False),  # before the try began
        (None, "k7Qp2w", -FIVE_MINUTES, False),
    ],
)
def test_finds_a_message_by_its_reference(
    channel: Slack, slack: FakeSlack, sent: Message | None, reference: str, since: timedelta, found: bool
) -> None:
    if sent:
        channel.deliver(CHANNEL, sent)
    receipt = channel.find(CHANNEL, reference, datetime.now(UTC) + since)

    assert (receipt is not None) is found
    if receipt:
        assert json.loads(receipt.thread) == {"channel": CHANNEL, "ts": slack.messages[0]["ts"]}


def test_finds_by_the_name_of_a_channel_it_has_posted_to(channel: Slack, slack: FakeSlack) -> None:
    since = datetime.now(UTC) - FIVE_MINUTES

    assert channel.find("#payments", "k7Qp2w", since) is None
    assert slack.received == []  # Slack's history takes ids alone
    first(channel)
    assert channel.find("#payments", "k7Qp2w", since) is not None


def test_finds_by_a_channels_name_what_another_process_posted(channel: Slack, slack: FakeSlack) -> None:
    earlier = json.dumps({"channel": CHANNEL, "ts": "1.0"})
    channel.deliver(CHANNEL, MESSAGE)
    since = datetime.now(UTC) - FIVE_MINUTES
    assert channel.find("#payments", "k7Qp2w", since, "") is None
    assert channel.find("#payments", "k7Qp2w", since, "another channel's") is None
    assert channel.find("#payments", "k7Qp2w", since, earlier) is not None


def test_finds_broadcast_news_and_the_thread_it_belongs_to(channel: Slack, slack: FakeSlack) -> None:
    thread = channel.deliver(CHANNEL, MESSAGE).thread
    channel.deliver(CHANNEL, message(reason=Reason.REPEAT, thread=thread, reference="second"))

    receipt = channel.find(CHANNEL, "second", datetime.now(UTC) - FIVE_MINUTES)

    assert receipt == Receipt(provider_id=slack.messages[1]["ts"], thread=thread)


@pytest.mark.parametrize("error", ["missing_scope", "not_in_channel"])
def test_a_token_that_may_not_read_finds_nothing(channel: Slack, slack: FakeSlack, error: str) -> None:
    channel.deliver(CHANNEL, MESSAGE)
    slack.script({"body": {"ok": False, "error": error}})

    assert channel.find(CHANNEL, "k7Qp2w", datetime.now(UTC) - FIVE_MINUTES) is None


@pytest.mark.parametrize("step", [{"status": 503}, {"broken": "closed"}, {"broken": "garbage"}])
def test_asking_is_never_uncertain(channel: Slack, slack: FakeSlack, step: dict[str, Any]) -> None:
    slack.script(step)

    with pytest.raises(DeliveryError) as caught:
        channel.find(CHANNEL, "k7Qp2w", datetime.now(UTC) - FIVE_MINUTES)
    assert caught.value.result is RETRY


@pytest.mark.parametrize(
    ("address", "fine"),
    [
        ("#payments", True),
        ("#stripe-alerts_2", True),
        ("#zahlungen-für-alle", True),
        ("C0123ABCD", True),
        ("G0123ABCD", True),
        ("D0123ABCD", True),
        ("U0123ABCD", True),
        ("payments", False),  # the sign is missing
        ("#Payments", False),
        ("#pay ments", False),
        ("#", False),
        ("@jo", False),
        ("c0123abcd", False),
        ("jo@shop.example", False),
        ("", False),
    ],
)
def test_says_what_is_wrong_with_an_address(address: str, fine: bool) -> None:
    assert (Slack.check_address(address) is None) is fine


def test_an_error_names_the_scope_that_is_missing(channel: Slack, slack: FakeSlack) -> None:
    slack.script({"body": {"ok": False, "error": "missing_scope", "needed": "chat:write", "provided": "commands"}})

    with pytest.raises(DeliveryError, match="lacks a scope: chat:write"):
        channel.deliver(CHANNEL, MESSAGE)
