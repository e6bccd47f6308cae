"""Buttons and /alerts by Socket Mode, over real connections; and what is told when nobody hears them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from pytest_django import Settings
from slack_sdk.errors import SlackApiError

from notifier.answers.slackbot import Bot
from notifier.delivery.deaf import Deaf
from notifier.flow import heard, listeners
from notifier.models import Alert, Heard, Listener
from tests.fakes.slack_socket import FakeSocketMode
from tests.notifier.answers.test_slack_words import press
from tests.notifier.scene import MINUTE, NOON
from tests.runtime.waiting import until

pytestmark = pytest.mark.django_db


@pytest.fixture
def socket_mode() -> Iterator[FakeSocketMode]:
    with FakeSocketMode() as fake:
        yield fake


@pytest.fixture
def bot(socket_mode: FakeSocketMode, transactional_db: None) -> Iterator[Bot]:
    """A bot that is connected, and looks at its connections often."""
    found, stop = Bot("xapp-token-of-these-tests", socket_mode.api_url, "host:1"), threading.Event()

    def run() -> None:
        try:
            found.run(stop, beat=0.05)
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    until(lambda: Listener.objects.filter(connections=2).exists())
    yield found
    stop.set()
    thread.join(10)
    assert not thread.is_alive()
    assert not Listener.objects.exists()


def test_what_comes_is_kept_and_slack_has_its_receipt(socket_mode: FakeSocketMode, bot: Bot) -> None:
    first = socket_mode.send("interactive", press())
    until(lambda: first in socket_mode.receipts)
    assert Heard.objects.get().asked["value"] == "118:acknowledge:"
    again = socket_mode.send("interactive", press())  # the same press, by another connection
    command = {"trigger_id": "1.2", "team_id": "T01", "user_id": "U01", "channel_id": "C01", "text": "open"}
    typed = socket_mode.send("slash_commands", command)
    other = socket_mode.send("events_api", {"type": "event_callback"})
    until(lambda: {again, typed, other} <= set(socket_mode.receipts))
    assert Heard.objects.count() == 2


def test_what_cannot_be_kept_has_no_receipt_and_what_is_lost_is_connected_again(
    socket_mode: FakeSocketMode, bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = threading.Event()

    def broken(*_: object) -> bool:
        asked.set()
        raise OSError("the disk is full")

    monkeypatch.setattr(heard, "keep", broken)
    lost = socket_mode.send("interactive", press())
    assert asked.wait(10)
    monkeypatch.undo()
    after = socket_mode.send("events_api", {})
    until(lambda: after in socket_mode.receipts)
    assert lost not in socket_mode.receipts

    socket_mode.drop()  # connections that are lost are made again
    until(lambda: socket_mode.connections == 2 and bot.alive() == 2)
    envelope = socket_mode.send("interactive", press())
    until(lambda: envelope in socket_mode.receipts)


@pytest.mark.parametrize("error", ["invalid_auth", "missing_scope"])
def test_a_token_that_slack_does_not_accept_is_said_at_once(socket_mode: FakeSocketMode, error: str) -> None:
    socket_mode.refuse = error
    with pytest.raises(SlackApiError):
        Bot("xapp-token", socket_mode.api_url, "host:1").run(threading.Event())


def test_the_command_says_what_is_missing(settings: Settings, socket_mode: FakeSocketMode) -> None:
    settings.NOTIFIER = {"CHANNELS": {"slack": {"BACKEND": "slack", "TO": "#payments"}}}
    with pytest.raises(CommandError, match="SLACK_APP_TOKEN is not set"):
        call_command("slackbot")
    settings.SLACK_APP_TOKEN, settings.SLACK_API_URL = "xapp-token", socket_mode.api_url
    socket_mode.refuse = "missing_scope"
    with pytest.raises(CommandError, match="lacks the scope connections:write"):
        call_command("slackbot")


@pytest.fixture
def deaf(settings: Settings) -> Callable[..., bool]:
    """Look whether somebody hears, at a minute; whether an alert is open then."""
    settings.SLACK_BOT_TOKEN = "xoxb-token"
    settings.SLACK_APP_TOKEN = "xapp-token"
    settings.NOTIFIER = {"CHANNELS": {"slack": {"BACKEND": "slack", "TO": "#payments"}}, "ROUTES": {"*": []}}
    watch = Deaf()

    def look(minute: float) -> bool:
        watch.look(NOON + minute * MINUTE)
        return Alert.objects.filter(source="slackbot", resolved_at__isnull=True).exists()

    return look


def test_that_nobody_hears_is_an_alert_until_somebody_does(deaf: Callable[..., bool]) -> None:
    assert not deaf(0)  # it may just start
    assert not deaf(1)
    assert deaf(2)
    assert deaf(3)
    assert Alert.objects.get().count == 1
    listeners.beat("host:1", 2, NOON + 3 * MINUTE)
    assert not deaf(4)
    assert not deaf(4.5)
    assert not deaf(6)  # the last beat is three minutes old, seen for the first time
    assert deaf(8)


def test_over_http_nobody_has_to_listen(deaf: Callable[..., bool], settings: Settings) -> None:
    settings.SLACK_SIGNING_SECRET = "secret"
    assert not deaf(0)
    assert not deaf(10)


def test_the_beats_of_what_ended_without_a_word_go() -> None:
    listeners.beat("host:1", 2, NOON)
    assert listeners.prune(NOON + timedelta(days=1)) == 1
