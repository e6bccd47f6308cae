"""A user group in Slack that follows a rotation, set over a real socket."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone
from pytest_django import Settings

from notifier.config import coverage
from notifier.config.conf import get_policy, parse
from notifier.delivery import loops, user_groups
from notifier.models import Alert
from notifier.oncall import overrides
from tests.fakes.slack import FakeSlack
from tests.notifier.conftest import Configure
from tests.notifier.oncall.test_on_call_hears import DAILY
from tests.notifier.scene import HOUR, NOON

pytestmark = pytest.mark.django_db

GROUP, ALICE, BOB = "S0123ABCD", "U0000000A", "U0000000B"
PEOPLE: dict[str, Any] = {"alice": {"SLACK_ID": ALICE}, "bob": {"SLACK_ID": BOB}}
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def slack(settings: Settings, configure: Configure) -> Iterator[FakeSlack]:
    with FakeSlack() as fake:
        settings.SLACK_BOT_TOKEN = "xoxb-token-of-these-tests"
        settings.SLACK_API_URL = fake.api_url
        following(configure)
        yield fake


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOON, tick=False) as travelled:
        # Seconds pass as the clock does.
        monkeypatch.setattr(user_groups, "monotonic", lambda: timezone.now().timestamp())
        yield travelled


def site(**changes: Any) -> dict[str, Any]:
    rotation = DAILY | {"SLACK_GROUP": GROUP}
    return {
        "people": PEOPLE,
        "oncall": {"payments": rotation},
        "channels": {"slack": {"BACKEND": "slack", "TO": ["#payments", {"oncall": "payments"}]}},
        "routes": {"*": ["slack"]},
    } | changes


def following(configure: Configure, **changes: Any) -> None:
    configure(**site(**changes))


def test_whoever_is_on_call_is_its_member_and_slack_is_asked_when_that_changes(
    slack: FakeSlack, clock: time_machine.Traveller
) -> None:
    follower = user_groups.Follower()
    follower.step()
    assert slack.groups == {GROUP: [ALICE]}
    clock.shift(timedelta(minutes=10))
    follower.step()
    assert len(slack.received) == 1
    clock.shift(DAY)
    follower.step()
    assert slack.groups == {GROUP: [BOB]}


def test_an_override_counts_at_once_and_its_end_too(slack: FakeSlack, clock: time_machine.Traveller) -> None:
    policy, follower = get_policy(), user_groups.Follower()
    follower.step()
    overrides.take(
        policy.rotations["payments"], policy.people["bob"], start=NOON, end=NOON + HOUR, author="bob", now=NOON
    )
    clock.shift(timedelta(seconds=5))
    follower.step()
    assert slack.groups == {GROUP: [BOB]}
    clock.shift(HOUR)
    follower.step()
    assert slack.groups == {GROUP: [ALICE]}


def test_what_somebody_changed_in_slack_is_set_right_within_an_hour(
    slack: FakeSlack, clock: time_machine.Traveller
) -> None:
    follower = user_groups.Follower()
    follower.step()
    slack.groups[GROUP] = ["U0EVERYBODY"]
    clock.shift(HOUR + timedelta(seconds=1))
    follower.step()
    assert slack.groups == {GROUP: [ALICE]}


def test_while_nobody_is_on_call_it_stays_as_it_was(
    slack: FakeSlack, clock: time_machine.Traveller, configure: Configure
) -> None:
    following(configure, oncall={"payments": DAILY | {"SLACK_GROUP": GROUP, "MEMBERS": ["alice", None]}})
    follower = user_groups.Follower()
    follower.step()
    clock.shift(DAY)
    follower.step()
    assert slack.groups == {GROUP: [ALICE]}
    assert not Alert.objects.exists()


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ({"error": "missing_scope", "needed": "usergroups:write"}, "the token lacks a scope: usergroups:write"),
        ({"error": "missing_scope"}, "the token lacks a scope: usergroups:write"),
        ({"error": "plan_upgrade_required"}, "user groups need a paid plan of Slack"),
        ({"error": "no_such_subteam"}, "there is no such user group"),
        ({"error": "token_revoked"}, "Slack does not accept the bot's token; install the app again"),
    ],
)
def test_what_slack_refuses_is_an_alert_in_words_and_ends_with_it(
    slack: FakeSlack, clock: time_machine.Traveller, answer: dict[str, Any], says: str
) -> None:
    slack.script({"body": {"ok": False, **answer}})
    follower = user_groups.Follower()
    follower.step()
    alert = Alert.objects.get()
    assert alert.title == f"The user group in Slack does not follow payments: {says}"
    clock.shift(timedelta(seconds=30))
    follower.step()
    assert len(slack.received) == 1, "a minute is left between two tries"
    clock.shift(timedelta(seconds=31))
    follower.step()
    alert.refresh_from_db()
    assert alert.resolved_how == "it follows again"


@pytest.mark.parametrize("trouble", [{"status": 503, "body": "busy"}, {"broken": "reset"}, {"broken": "garbage"}])
def test_a_slack_that_is_away_is_tried_again_without_an_alert(
    slack: FakeSlack, clock: time_machine.Traveller, trouble: dict[str, Any]
) -> None:
    slack.script(trouble)
    follower = user_groups.Follower()
    follower.step()
    clock.shift(timedelta(minutes=1, seconds=1))
    follower.step()
    assert slack.groups == {GROUP: [ALICE]}
    assert not Alert.objects.exists()


def test_somebody_without_a_slack_id_is_an_alert(slack: FakeSlack, configure: Configure) -> None:
    following(configure, people=PEOPLE | {"alice": {"NAME": "Alice"}})
    user_groups.Follower().step()
    assert Alert.objects.get().title == "The user group in Slack does not follow payments: Alice has no SLACK_ID"
    assert slack.received == []


def test_a_worker_has_the_loop_only_where_a_rotation_asks_for_it(configure: Configure) -> None:
    assert "notifier-user-groups" in [loop.name for loop in loops.loops()]
    following(configure, oncall={"payments": DAILY})
    assert "notifier-user-groups" not in [loop.name for loop in loops.loops()]


def doubts(table: dict[str, Any], *, bot: bool = True) -> list[str]:
    raw = {name.upper(): value for name, value in table.items()}
    policy, problems = parse(raw, {"SLACK_BOT_TOKEN": "xoxb-1" if bot else None}.get)
    found = list(coverage.problems(policy, raw, NOON)) if policy else problems
    return [str(one) for one in found if "SLACK_GROUP" in one.path]


def test_the_check_says_what_the_settings_lack() -> None:
    assert doubts(site()) == []
    where = 'NOTIFIER["ONCALL"]["payments"]["SLACK_GROUP"]'
    assert doubts(site(people=PEOPLE | {"bob": {"NAME": "Bob"}}))[0].startswith(
        f'{where}: cannot name "bob": their SLACK_ID is not set.'
    )
    assert doubts(site(), bot=False)[0].startswith(f"{where}: no channel has a Slack bot's token")
    twice = {name: DAILY | {"SLACK_GROUP": GROUP} for name in ("payments", "refunds")}
    assert "is also that of" in doubts(site(oncall=twice))[0]
    assert "not the id of a user group" in doubts(site(oncall={"payments": DAILY | {"SLACK_GROUP": "@oncall"}}))[0]
