"""An alert's thread in Slack, from the first failure to the end, over real sockets."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_django import Settings

from tests.fakes.slack import FakeSlack
from tests.notifier.conftest import Configure
from tests.notifier.scene import MINUTE, Scene, row_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def slack(settings: Settings) -> Iterator[FakeSlack]:
    with FakeSlack() as fake:
        settings.SLACK_BOT_TOKEN, settings.SLACK_API_URL = "xoxb-0000-slacktokenslacktoken", fake.api_url
        yield fake


def methods(slack: FakeSlack) -> list[str]:
    return [request["path"].removeprefix("/api/chat.") for request in slack.received]


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
