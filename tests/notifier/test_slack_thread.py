"""An alert's thread in Slack, from the first failure to the end, over real sockets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django import Settings

from notifier.channels import memory
from notifier.flow import pipeline
from notifier.models import Alert, Attempt
from tests.fakes.slack import FakeSlack
from tests.notifier.conftest import Configure
from tests.notifier.scene import MINUTE, Scene, refused, row_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def slack(settings: Settings) -> Iterator[FakeSlack]:
    with FakeSlack() as fake:
        settings.SLACK_BOT_TOKEN, settings.SLACK_API_URL = "xoxb-0000-slacktokenslacktoken", fake.api_url
        yield fake


def methods(slack: FakeSlack) -> list[str]:
    return [request["path"].removeprefix("/api/chat.") for request in slack.received]


BROKE = "Traceback (most recent call last):\n  File 'handlers.py', line 84, in *record* <!channel>\nKeyError: 'plan'"


def code(message: dict[str, Any]) -> str:
    [block] = message["blocks"]
    return str(block["elements"][0]["elements"][0]["text"])


def small_print(message: dict[str, Any]) -> str:
    return "".join(one["elements"][0]["text"] for one in message["blocks"] if one["type"] == "context")


def test_the_details_stand_below_the_first_message_once(scene: Scene, configure: Configure, slack: FakeSlack) -> None:
    configure(channels={"chat": {"BACKEND": "slack", "TO": "#payments"}})
    scene.alert(event_id="evt_a", traceback=BROKE)
    scene.deliver()
    card, below = slack.messages
    assert below["thread_ts"] == card["ts"]
    assert "reply_broadcast" not in below
    assert code(below) == BROKE, "as it stands: no markup is read there"
    assert BROKE not in json.dumps(card)

    scene.fail(event_id="evt_b", traceback=BROKE)
    scene.pass_time(5 * MINUTE)
    assert len(slack.messages) == 3
    assert "1 more" in json.dumps(slack.messages[2])


def test_of_long_details_the_end_is_shown(scene: Scene, configure: Configure, slack: FakeSlack) -> None:
    configure(channels={"chat": {"BACKEND": "slack", "TO": "#payments"}})
    scene.alert(traceback="x" * 50_000 + "\nKeyError: 'plan'")
    scene.deliver()
    assert code(slack.messages[1]).endswith("KeyError: 'plan'")
    assert len(code(slack.messages[1])) <= 3000


@pytest.mark.parametrize("trouble", [{"body": {"ok": False, "error": "invalid_blocks"}}, {"status": 429, "body": ""}])
def test_details_that_slack_does_not_take_cost_the_alert_nothing(
    scene: Scene, configure: Configure, slack: FakeSlack, trouble: dict[str, Any]
) -> None:
    configure(channels={"chat": {"BACKEND": "slack", "TO": "#payments"}})
    slack.script({"match": "chat.postMessage", "taken": True}, {"match": "chat.postMessage", **trouble})
    alert = scene.alert(traceback=BROKE)
    scene.deliver()
    assert scene.pass_time(2 * MINUTE) == []
    assert len([one for one in slack.messages if "thread_ts" not in one]) == 1
    attempt = Attempt.objects.get(parts_told__notification__alert=alert)
    assert attempt.result == "delivered"
    assert attempt.detail.startswith("its details could not be posted below: ")


def test_the_thread_says_who_else_was_told_and_what_became_of_it(
    scene: Scene, configure: Configure, slack: FakeSlack
) -> None:
    channels = {
        "chat": {"BACKEND": "slack", "TO": "#payments"},
        "page": {"BACKEND": "memory", "TO": ["+14155552671", "+14155552672"]},
    }
    configure(channels=channels, routes={"*": ["chat", "page"]})
    alert = scene.alert(event_id="evt_a")
    scene.deliver("chat")
    scene.clock.step(MINUTE)
    memory.fail_next(refused(dead=True))
    scene.deliver("page")
    reached = Attempt.objects.get(target__channel="page", result="delivered")
    Attempt.objects.filter(pk=reached.pk).update(receipt="delivered", receipt_at=scene.now)
    pipeline.acknowledge(alert, "ana", scene.now)
    scene.fail(event_id="evt_b")
    pipeline.take_back(Alert.objects.get(), scene.now)
    scene.pass_time(5 * MINUTE)
    dead, told = Attempt.objects.filter(target__channel="page").order_by("pk")[:2]
    line = small_print(slack.messages[1])
    assert line.startswith("Meanwhile: page (+14…7")
    assert "refused 12:01 UTC (gone)" in line
    assert "told 12:01 UTC, arrived" in line
    assert {dead.result, told.result} == {"rejected", "delivered"}

    scene.recover("evt_a")
    scene.recover("evt_b")
    scene.deliver("chat")
    assert "12:01 UTC" not in small_print(slack.messages[2]), "said once"


@pytest.mark.parametrize("gone", ["deleted", "cant_update_message", "edit_window_closed", "channel_not_found"])
def test_after_a_message_is_gone_the_new_one_is_edited(
    scene: Scene, configure: Configure, slack: FakeSlack, gone: str
) -> None:
    configure(channels={"chat": {"BACKEND": "slack", "TO": "#payments"}})
    alert = scene.alert(event_id="evt_a")
    scene.deliver()
    [first] = slack.messages
    if gone == "deleted":
        slack.messages.clear()
    else:
        slack.script({"match": "chat.update", "body": {"ok": False, "error": gone}})
    slack.received.clear()

    scene.fail(event_id="evt_a")
    scene.pass_time(5 * MINUTE)
    card = slack.messages[-1]
    assert methods(slack) == ["update", "postMessage"]
    assert "thread_ts" not in card
    assert card["ts"] != first["ts"]

    slack.received.clear()
    scene.fail(event_id="evt_a")
    scene.pass_time(11 * MINUTE)
    assert methods(slack) == ["update", "postMessage"]
    scene.recover("evt_a")
    scene.deliver()
    assert methods(slack) == ["update", "postMessage"] * 2, "each later message edits the new one"
    assert card["edits"] == 2
    assert [one["thread_ts"] for one in slack.messages if "thread_ts" in one] == [card["ts"]] * 2
    assert card["ts"] in row_of(alert, "chat:#payments").thread


@pytest.mark.parametrize("error", ["thread_not_found", "restricted_action_thread_locked", "cannot_reply_to_message"])
def test_news_that_cannot_go_below_the_message_becomes_a_message(
    scene: Scene, configure: Configure, slack: FakeSlack, error: str
) -> None:
    configure(channels={"chat": {"BACKEND": "slack", "TO": "#payments"}})
    scene.alert(event_id="evt_a")
    scene.deliver()
    slack.script({"match": "chat.postMessage", "body": {"ok": False, "error": error}})

    scene.fail(event_id="evt_a")
    scene.pass_time(5 * MINUTE)
    assert "thread_ts" not in slack.messages[-1]
    assert len(slack.messages) == 2
