"""Buttons and /alerts over HTTP, signed as Slack signs them, on messages that were really posted."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from typing import Any
from urllib.parse import urlencode

import pytest
import time_machine
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings
from slack_sdk.signature import SignatureVerifier

from notifier import api
from notifier.answers import slack_work
from notifier.channels import memory
from notifier.delivery.courier import Courier
from notifier.models import Alert, Digest, Heard, LogEntry, Override, Silence
from tests.fakes.slack import FakeSlack
from tests.notifier.scene import NOON

SECRET = "signing-secret-of-these-tests"
PATH = "/notifier/slack/"
ANA, EVE, TEAM, ROOM = "U0123ABCD", "U0999ZZZZ", "T0123ABCD", "C0123ABCD"
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
_numbers = count(1)
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def slack(settings: Settings) -> Iterator[FakeSlack]:
    with FakeSlack() as fake:
        settings.SLACK_BOT_TOKEN = "xoxb-token-of-these-tests"
        settings.SLACK_API_URL = fake.api_url
        settings.SLACK_SIGNING_SECRET = SECRET
        configure(settings)
        yield fake


@pytest.fixture(autouse=True)
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOON, tick=False) as travelled:
        yield travelled


def configure(settings: Settings, **options: object) -> None:
    settings.NOTIFIER = {
        "CHANNELS": {
            "slack": {"BACKEND": "slack", "TO": ["#payments"], "OPTIONS": options},
            "phone": {"BACKEND": "memory", "TO": ["+4915112345678"]},
            "chat": {"BACKEND": "memory", "TO": ["chat"]},
        },
        "PEOPLE": {
            "ana": {"NAME": "Ana", "SLACK_ID": ANA, "ADDRESSES": {"phone": "+4915112345678"}, "TZ": "Europe/Berlin"},
            "ben": {"NAME": "Ben", "SLACK_ID": "U0123BBBB"},
        },
        "ONCALL": {"payments": {"HANDOVER": "Mon 09:00", "START": "2026-01-05", "MEMBERS": ["ben"]}},
        "ROUTES": {"critical": ["slack", "phone", "chat"], "error": ["slack", "chat"], "*": []},
        "DIGESTS": {"daily": {"TO": ["chat"]}},
        "LIMITS": {"slack": {"RATES": []}},
        "TZ": "UTC",
    }


def work(*aliases: str) -> None:
    """A worker's rounds: what was asked, then what is due."""
    while slack_work.step() == 0.0:
        pass
    for alias in aliases or ("slack", "phone", "chat"):
        courier = Courier(alias, start=lambda _name, call: call())
        for _ in range(6):
            courier.step()
        courier.close(1)


def alerted(severity: str = "error", key: str = "ledger") -> Alert:
    api.alert("The ledger is closed", key=key, severity=severity)
    work()
    return Alert.objects.latest("pk")


def buttons(slack: FakeSlack) -> dict[str, str]:
    """What the first message offers: texts and values."""
    [block] = [block for block in slack.messages[0]["blocks"] if block["type"] == "actions"]
    return {element["text"]["text"]: element["value"] for element in block["elements"]}


def post(fields: dict[str, str], *, at: float | None = None, signature: str = "") -> int:
    body, stamp = urlencode(fields), str(int(at if at is not None else time.time()))
    signed = signature or SignatureVerifier(SECRET).generate_signature(timestamp=stamp, body=body)
    headers = {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": signed or ""}
    form = "application/x-www-form-urlencoded"
    return Client().post(PATH, data=body, content_type=form, headers=headers).status_code


def press(slack: FakeSlack, value: str, *, by: str = ANA, **changes: Any) -> dict[str, str]:
    """The request with which Slack tells of a press."""
    payload = {
        "type": "block_actions",
        "trigger_id": f"1.2.{next(_numbers)}",
        "team": {"id": TEAM},
        "user": {"id": by, "team_id": TEAM},
        "channel": {"id": ROOM},
        "response_url": slack.response_url,
        "actions": [{"type": "button", "action_id": "answer_0", "value": value, "action_ts": f"{time.time():.6f}"}],
    }
    return {"payload": json.dumps(payload | changes)}


def typed(slack: FakeSlack, text: str, user: str = ANA) -> str:
    """What who typed it is told in private."""
    fields = {
        "command": "/alerts",
        "text": text,
        "trigger_id": f"1.2.{next(_numbers)}",
        "team_id": TEAM,
        "user_id": user,
        "channel_id": ROOM,
        "response_url": slack.response_url,
    }
    before = len(slack.notes)
    assert post(fields) == 200
    work()
    [note] = slack.notes[before:]
    assert note["response_type"] == "ephemeral"
    return str(note["text"])


def test_a_press_is_done_shown_in_place_and_told_to_all(slack: FakeSlack) -> None:
    alert = alerted()
    assert list(buttons(slack)) == [
        "Acknowledge",
        "Resolve",
        "Silence 1 h",
        "Silence 4 h",
        "Silence until tomorrow",
    ]
    assert post(press(slack, buttons(slack)["Acknowledge"])) == 200
    work()
    alert.refresh_from_db()
    assert alert.acknowledged_by == "Ana"
    assert next(iter(buttons(slack))) == "Take back"
    assert "Acknowledged by Ana until 20:00 UTC" in json.dumps(slack.messages[0])
    assert slack.messages[1]["thread_ts"] == slack.messages[0]["ts"]
    assert "Ana acknowledged it in Slack, until 20:00 UTC" in slack.messages[1]["text"]
    assert memory.outbox[-1].message.news == "Ana acknowledged it in Slack, until 20:00 UTC"
    assert slack.notes == []


def test_what_was_so_already_only_who_asked_is_told(slack: FakeSlack) -> None:
    alert = alerted()
    acknowledge = buttons(slack)["Acknowledge"]
    post(press(slack, acknowledge))
    post(press(slack, acknowledge, by="U0123BBBB"))
    work()
    [note] = slack.notes
    assert note["text"] == f"Alert {alert.pk}: Ana acknowledged it just now, until 20:00 UTC."
    assert note["replace_original"] is False


def test_resolved_it_offers_nothing_more(slack: FakeSlack) -> None:
    alerted()
    post(press(slack, buttons(slack)["Resolve"]))
    work()
    assert not [block for block in slack.messages[0]["blocks"] if block["type"] == "actions"]


def test_until_tomorrow_is_until_the_morning_where_the_person_is(slack: FakeSlack) -> None:
    alerted()
    post(press(slack, buttons(slack)["Silence until tomorrow"]))
    work()
    assert f"{Silence.objects.get().ends_at:%d %H:%M}" == "24 07:00"  # 08:00 in Berlin
    assert "Silenced until Tue 24 Nov 07:00 UTC" in json.dumps(slack.messages[0])
    assert "Silence 1 h" not in buttons(slack)


def test_a_list_has_one_button_for_all_of_it(
    slack: FakeSlack, settings: Settings, clock: time_machine.Traveller
) -> None:
    settings.NOTIFIER = {**settings.NOTIFIER, "LIMITS": {}}
    for number in range(12):
        api.alert(f"Trouble {number}", key=f"key {number}", severity="error")
    for _ in range(12):
        work("slack")
        clock.shift(2.0)
    found = [
        element["value"]
        for message in slack.messages
        for block in message["blocks"]
        if block["type"] == "actions"
        for element in block["elements"]
        if "," in element["value"]
    ]
    post(press(slack, found[0]))
    work()
    assert Alert.objects.filter(acknowledged_by="Ana").count() == found[0].count(",") + 1 > 1


def test_who_was_not_paged_may_act_and_all_see_that(slack: FakeSlack) -> None:
    alerted("critical")
    post(press(slack, buttons(slack)["Acknowledge"], by="U0123BBBB"))
    work()
    assert "Ben (who was not paged) acknowledged it in Slack" in slack.messages[1]["text"]
    assert LogEntry.objects.get().uninvited


def test_strangers_other_workspaces_and_other_channels_get_a_private_note(slack: FakeSlack, settings: Settings) -> None:
    alerted()
    value = buttons(slack)["Acknowledge"]
    configure(settings, teams=[TEAM], channels=[ROOM])
    post(press(slack, value, by=EVE))
    post(press(slack, value, team={"id": "T0999ZZZZ"}, user={"id": ANA, "team_id": "T0999ZZZZ"}))
    post(press(slack, value, user={"id": ANA, "team_id": "T0999ZZZZ"}))
    post(press(slack, value, channel={"id": "C0999ZZZZ"}))
    work()
    assert [note["text"].split(":")[0] for note in slack.notes] == [
        "Nobody is known by your Slack user id",
        "Alerts cannot be answered from this workspace.",
        "Alerts cannot be answered from this workspace.",
        "Alerts cannot be answered from this channel.",
    ]
    assert not LogEntry.objects.exists()


def test_commands(slack: FakeSlack) -> None:
    alert = alerted()
    assert typed(slack, "open") == (
        f"Error: The ledger is closed (1 time). Alert {alert.pk}: open since 12:00 UTC, nobody has acknowledged it."
    )
    assert typed(slack, f"ack {alert.pk} 2h") == f"Alert {alert.pk}: acknowledged until 14:00 UTC."
    assert typed(slack, f"back {alert.pk}").startswith(f"Alert {alert.pk}: the acknowledgement is taken back")
    assert typed(slack, "oncall").startswith("payments: Ben until ")
    assert typed(slack, "take payments 4h").startswith("Override ")
    assert Override.objects.get().person == "ana"
    assert typed(slack, "oncall").startswith("payments: Ana until 16:00 UTC")
    number = Override.objects.get().pk
    assert typed(slack, f"undo {number}").startswith("Undone by ana: Ana does not take payments over from 12:00 UTC")
    assert typed(slack, f"undo {number}") == f"Override {number} was undone by ana already."
    assert typed(slack, "undo 4711") == "There is no override 4711."
    assert typed(slack, "oncall").startswith("payments: Ben until ")
    assert typed(slack, "take payment").startswith("There is no such rotation.")
    assert typed(slack, "test") == "The way back works: Ana is known here, and may answer alerts."
    assert typed(slack, f"test {alert.pk}") == f"Alert {alert.pk}: the way back works. Nothing was changed."
    assert typed(slack, f"rehearse {alert.pk}") == f"Alert {alert.pk}: it has no event that waits to be processed."
    assert typed(slack, "digest") == "The digest daily is on its way to chat."
    assert Digest.objects.count() == 1
    assert typed(slack, "restart").startswith("There is no such command.\nWhat /alerts can do:")
    assert typed(slack, f"resolve {alert.pk} 4711") == (f"Alert {alert.pk}: resolved.\nThere is no alert 4711.")
    assert typed(slack, "open") == "Nothing is open."
    assert typed(slack, "open", user=EVE).startswith("Nobody is known by your Slack user id")


@pytest.mark.parametrize("age", [6 * MINUTE, -6 * MINUTE])
def test_a_request_that_is_too_old_or_of_the_future_changes_nothing(slack: FakeSlack, age: timedelta) -> None:
    alerted()
    assert post(press(slack, buttons(slack)["Acknowledge"]), at=time.time() - age.total_seconds()) == 403
    assert not Heard.objects.exists()


@pytest.mark.parametrize("signature", ["v0=00", "v1=", "ü", "v0=" + "0" * 64])
def test_a_forged_request_changes_nothing(slack: FakeSlack, signature: str) -> None:
    alerted()
    assert post(press(slack, buttons(slack)["Acknowledge"]), signature=signature) == 403
    assert not Heard.objects.exists()


def test_the_same_request_twice_is_done_once(slack: FakeSlack) -> None:
    alert = alerted()
    request = press(slack, buttons(slack)["Resolve"])
    assert post(request) == 200
    work()
    alert.refresh_from_db()
    api.alert("The ledger is closed", key="ledger", severity="error")  # it opens again
    assert post(request) == 200
    work()
    assert Alert.objects.get(pk=alert.pk).resolved_at is None
    assert LogEntry.objects.count() == 1


def test_a_late_request_takes_nothing_back_that_came_after_it(slack: FakeSlack, clock: time_machine.Traveller) -> None:
    alert = alerted()
    post(press(slack, buttons(slack)["Acknowledge"]))
    work()
    late = press(slack, f"{alert.pk}:take back:")
    clock.shift(MINUTE)
    typed(slack, f"back {alert.pk}")
    typed(slack, f"ack {alert.pk}")
    post(late)
    work()
    alert.refresh_from_db()
    assert alert.acknowledged_by == "Ana"
    assert "acknowledged it just now" in slack.notes[-1]["text"]


def test_what_waited_too_long_for_a_worker_is_not_done(slack: FakeSlack, clock: time_machine.Traveller) -> None:
    alert = alerted()
    post(press(slack, buttons(slack)["Resolve"]))
    clock.shift(11 * MINUTE)
    work()
    alert.refresh_from_db()
    assert alert.resolved_at is None
    assert slack.notes[0]["text"].startswith("No worker ran when you asked")


def test_what_cannot_be_done_is_tried_again_and_then_said(
    slack: FakeSlack, clock: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch
) -> None:
    alerted()
    post(press(slack, buttons(slack)["Resolve"]))

    def broken(*_: object) -> str:
        raise OSError("the disk is full")

    monkeypatch.setattr("notifier.answers.slack.do", broken)
    for _ in range(6):
        work("slack")
        clock.shift(20.0)
    assert [note["text"].split(",")[0] for note in slack.notes] == ["That could not be done"]
    row = Heard.objects.get()
    assert (row.due_at, row.asked) == (None, {})
    assert not LogEntry.objects.exists()


def test_a_note_goes_to_slack_alone_and_its_loss_changes_nothing(slack: FakeSlack) -> None:
    alert = alerted()
    elsewhere = press(slack, f"{alert.pk}:resolve:", by=EVE, response_url="https://evil.example/answers/")
    post(elsewhere)
    slack.script({"status": 500, "match": "/answers/"})
    post(press(slack, f"{alert.pk}:resolve:"))
    post(press(slack, f"{alert.pk}:resolve:"))
    work()
    alert.refresh_from_db()
    assert alert.resolved_at is not None
    assert slack.notes == []


@pytest.mark.parametrize(
    "fields",
    [
        {"payload": "{"},
        {"payload": "[" * 100_000},
        {"payload": "null"},
        {"payload": json.dumps({"type": "block_actions", "actions": [{"value": "https://elsewhere.example"}]})},
        {"payload": json.dumps({"type": "view_submission"})},
        {"command": "/alerts"},
        {},
    ],
)
def test_what_is_no_answer_is_none(slack: FakeSlack, fields: dict[str, str]) -> None:
    assert post(fields) in (200, 400)
    assert not Heard.objects.exists()


def test_without_a_secret_there_are_no_buttons_and_no_door(slack: FakeSlack, settings: Settings) -> None:
    settings.SLACK_SIGNING_SECRET = ""
    alert = alerted()
    assert not [block for block in slack.messages[0]["blocks"] if block["type"] == "actions"]
    assert post(press(slack, f"{alert.pk}:resolve:")) == 404


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def test_a_test_message_proves_the_way_back(slack: FakeSlack, monkeypatch: pytest.MonkeyPatch) -> None:
    def somebody_presses(_seconds: float) -> None:
        post(press(slack, buttons(slack)["It arrived"]))
        work()

    monkeypatch.setattr("notifier.management.commands.send_test.time.sleep", somebody_presses)
    said = run("send_test", "slack", "--buttons")
    assert "The way back works: Ana is known here, and may answer alerts." in said
    assert slack.notes[0]["text"].startswith("The way back works: Ana")
    assert not LogEntry.objects.exists()


def test_a_test_message_whose_button_nobody_hears(
    slack: FakeSlack, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    with pytest.raises(CommandError, match=r"No press arrived here.*/notifier/slack/"):
        run("send_test", "slack", "--buttons", "--wait", "0")
    settings.SLACK_SIGNING_SECRET = ""
    with pytest.raises(CommandError, match="set SLACK_SIGNING_SECRET"):
        run("send_test", "slack", "--buttons")


def post_event(body: dict[str, Any]) -> Any:
    text, stamp = json.dumps(body), str(int(time.time()))
    signed = SignatureVerifier(SECRET).generate_signature(timestamp=stamp, body=text)
    headers = {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": signed or ""}
    return Client().post(PATH, data=text, content_type="application/json", headers=headers)


def opens_home(user: str = ANA, number: int = 1) -> dict[str, Any]:
    event = {"type": "app_home_opened", "user": user, "channel": "D0123ABCD", "tab": "home"}
    return {"type": "event_callback", "event_id": f"Ev{number}", "team_id": TEAM, "event": event}


def home_text(slack: FakeSlack, user: str = ANA) -> str:
    return "\n".join(block["text"]["text"] for block in slack.homes[user]["blocks"])


def test_the_home_tab_shows_what_is_open_and_takes_answers(slack: FakeSlack) -> None:
    alert = alerted()
    assert post_event({"type": "url_verification", "challenge": "abc"}).content == b"abc"
    assert post_event(opens_home()).status_code == 200
    work()
    assert "1 alert open" in home_text(slack)
    assert "Error: The ledger is closed" in home_text(slack)
    assert "nobody has acknowledged it" in home_text(slack)
    assert "payments: Ben until " in home_text(slack)
    value = next(block["accessory"]["value"] for block in slack.homes[ANA]["blocks"] if "accessory" in block)
    view: dict[str, Any] = {"channel": None, "response_url": None, "view": {"type": "home", "id": "V01"}}
    assert post(press(slack, value, **view)) == 200
    work()
    alert.refresh_from_db()
    assert alert.acknowledged_by == "Ana"
    assert "Ana acknowledged it just now" in home_text(slack)
    post(press(slack, value, by="U0123BBBB", **view))
    work()
    assert home_text(slack, "U0123BBBB").startswith(f"Alert {alert.pk}: Ana acknowledged it just now")


def test_a_strangers_home_tab_shows_no_alert(slack: FakeSlack) -> None:
    alerted()
    post_event(opens_home(EVE))
    work()
    assert home_text(slack, EVE).startswith("Nobody is known by your Slack user id")
    assert "ledger" not in home_text(slack, EVE)


@pytest.mark.parametrize("error", [{"body": {"ok": False, "error": "not_enabled"}}, {"broken": "closed"}])
def test_a_home_tab_that_cannot_be_shown_stops_nobody(slack: FakeSlack, error: dict[str, Any]) -> None:
    alerted()
    slack.script(error | {"match": "views.publish"})
    post_event(opens_home())
    work()
    assert slack.homes == {}
    post_event(opens_home(number=2))
    work()
    assert ANA in slack.homes


@pytest.mark.parametrize(
    "body", [[], {"type": "event_callback"}, {"type": "event_callback", "event": {"type": "message"}}]
)
def test_another_event_is_none(slack: FakeSlack, body: Any) -> None:
    assert post_event(body).status_code == 200
    assert not Heard.objects.exists()


def test_to_look_and_find_nothing_takes_one_question_and_no_lock(slack: FakeSlack) -> None:
    slack_work.step()
    with CaptureQueriesContext(connection) as asked:
        assert slack_work.step() == 1.0
    assert [query["sql"].split()[0] for query in asked] == ["SELECT"]
