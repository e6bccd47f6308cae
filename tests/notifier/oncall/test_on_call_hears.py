"""A channel that names a rotation reaches whoever is on call when a message is sent, and who was told before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from notifier.channels import memory
from notifier.config.conf import get_policy, parse
from notifier.delivery import tick
from notifier.facts import Recipient
from notifier.models import Attempt, Notification
from notifier.models import Target as TargetRow
from notifier.oncall import overrides
from notifier.oncall.present import policy_now, present
from tests.notifier.conftest import Configure
from tests.notifier.oncall.rotations import utc
from tests.notifier.scene import HOUR, MINUTE, Scene, busy, reasons, refused, row_of, unsure

pytestmark = pytest.mark.django_db

ALICE, BOB, CAROL = "+14155552671", "+14155552672", "+14155552673"
PEOPLE: dict[str, Any] = {
    "alice": {"ADDRESSES": {"page": ALICE}},
    "bob": {"ADDRESSES": {"page": BOB}},
    "carol": {"ADDRESSES": {"page": CAROL}},
}
# The scene begins at noon of Monday, 23 November 2026. Alice has the first day, bob the second.
DAILY: dict[str, Any] = {"TZ": "UTC", "HANDOVER": "12:00", "START": "2026-11-23", "MEMBERS": ["alice", "bob"]}
DAY = timedelta(days=1)


def site(**changes: Any) -> dict[str, Any]:
    page = {"BACKEND": "memory", "TO": {"oncall": "payments"}, "FAILOVER": "team"}
    return {
        "people": PEOPLE,
        "oncall": {"payments": DAILY},
        "channels": {"page": page, "team": {"BACKEND": "memory"}},
        "routes": [{"name": "all", "match": {}, "to": ["page"], "interval": "5m"}],
    } | changes


def addresses(sent: list[memory.Sent]) -> list[str]:
    return sorted(one.address for one in sent)


def to_bob(scene: Scene) -> None:
    """The handover of Tuesday, noon."""
    scene.clock.at = utc("2026-11-24 12:00")


@pytest.fixture(autouse=True)
def _site(configure: Configure, scene: Scene) -> None:
    configure(**site())
    scene.clock.step(MINUTE)


def test_who_is_on_call_hears(scene: Scene) -> None:
    scene.fail()
    assert addresses(scene.deliver()) == [ALICE]
    to_bob(scene)
    scene.fail(event_type="charge.failed")
    assert addresses(scene.deliver()) == [BOB]


@pytest.mark.parametrize("by_the_courier", [True, False], ids=["as it is judged", "by the tick"])
def test_who_it_is_is_decided_when_it_is_sent(scene: Scene, *, by_the_courier: bool) -> None:
    scene.clock.at = utc("2026-11-24 11:59")
    alert = scene.alert()
    to_bob(scene)
    if not by_the_courier:
        tick.hand_over(scene.now)
    assert addresses(scene.deliver() + scene.deliver()) == [BOB]
    assert row_of(alert, "page:person alice").held_words == "no longer on call"
    assert scene.pass_time(10 * MINUTE) == []


def test_what_could_not_be_delivered_before_the_handover_goes_to_the_next(scene: Scene) -> None:
    scene.clock.at = utc("2026-11-24 11:59:50")
    scene.alert()
    memory.fail_next(busy())
    assert scene.deliver() == []
    to_bob(scene)
    assert addresses(scene.pass_time(2 * MINUTE)) == [BOB]


def test_an_override_made_after_it_was_planned_counts(scene: Scene) -> None:
    policy = get_policy()
    scene.alert()
    overrides.take(
        policy.rotations["payments"],
        policy.people["carol"],
        start=scene.now,
        end=scene.now + HOUR,
        author="carol",
        now=scene.now,
    )
    assert addresses(scene.deliver() + scene.deliver()) == [CAROL]


def test_who_was_told_hears_the_end_wherever_they_are_in_the_rotation(scene: Scene) -> None:
    scene.fail(event_id="evt_1")
    scene.deliver()
    to_bob(scene)
    tick.hand_over(scene.now)
    scene.recover("evt_1")
    assert [(one.address, str(one.message.reason)) for one in scene.deliver()] == [(ALICE, "resolved")]


def test_news_goes_to_who_is_on_call_now_and_to_who_has_been_told(scene: Scene) -> None:
    alert = scene.alert(event_id="evt_1")
    scene.deliver()
    to_bob(scene)
    scene.fail(event_id="evt_2")
    sent = scene.deliver()
    assert sorted((one.address, str(one.message.reason)) for one in sent) == [(ALICE, "update"), (BOB, "first")]
    scene.recover("evt_1")
    scene.recover("evt_2")
    assert addresses(scene.deliver()) == [ALICE, BOB]
    assert Notification.objects.filter(alert=alert).count() == 2


def test_where_nobody_is_on_call_the_failover_hears(scene: Scene, configure: Configure) -> None:
    configure(**site(oncall={"payments": DAILY | {"MEMBERS": ["alice", None]}}))
    to_bob(scene)
    scene.fail()
    assert addresses(scene.deliver()) == ["team"]


def test_who_has_no_address_there_is_stood_in_for_too(scene: Scene, configure: Configure) -> None:
    rest = {"page": {"BACKEND": "sms", "TO": {"oncall": "payments"}, "FAILOVER": "team"}, "team": {"BACKEND": "memory"}}
    configure(**site(people=PEOPLE | {"alice": {}}, channels=rest))
    assert [target.key for target in policy_now(scene.now).channels["page"].targets] == ["team:team"]


def test_a_dead_number_is_stood_in_for(scene: Scene) -> None:
    memory.fail_next(refused(dead=True))
    scene.fail()
    assert addresses(scene.deliver()) == ["team"]


def test_a_person_keeps_their_messages_when_their_number_changes(scene: Scene, configure: Configure) -> None:
    scene.fail(event_id="evt_1")
    scene.deliver()
    configure(**site(people=PEOPLE | {"alice": {"ADDRESSES": {"page": CAROL}}, "carol": {}}))
    scene.clock.step(HOUR)
    scene.fail(event_id="evt_2")
    assert [(one.address, str(one.message.reason)) for one in scene.deliver()] == [(CAROL, "update")]
    assert TargetRow.objects.get(key="page:person alice").address == CAROL


def test_what_perhaps_came_to_the_old_number_goes_to_the_new_one_as_new(scene: Scene, configure: Configure) -> None:
    """Nobody is asked whether the old one has it, and the new one has not seen it before."""
    alert = scene.alert()
    memory.fail_next(unsure())
    assert scene.deliver() == []
    Notification.objects.update(thread="of the old one")
    new = "+14155552699"
    configure(**site(people=PEOPLE | {"alice": {"ADDRESSES": {"page": new}}}))
    [sent] = scene.pass_time(2 * MINUTE)
    assert (sent.address, sent.message.possible_repeat, sent.message.thread) == (new, False, "")
    first, second = Attempt.objects.order_by("pk")
    assert first.reference != second.reference
    assert scene.pass_time(10 * MINUTE) == []
    assert row_of(alert, "page:person alice").tries == 0


def test_a_new_number_is_not_dead_as_the_old_one_was(scene: Scene, configure: Configure) -> None:
    memory.fail_next(refused(dead=True))
    scene.fail()
    scene.deliver()
    configure(**site(people=PEOPLE | {"alice": {"ADDRESSES": {"page": CAROL}}, "carol": {}}))
    scene.fail(event_type="charge.failed")
    assert CAROL in addresses(scene.deliver())


def test_who_is_named_by_address_and_is_on_call_hears_once(scene: Scene, configure: Configure) -> None:
    page = {"BACKEND": "memory", "TO": [ALICE, {"oncall": "payments"}]}
    configure(**site(channels={"page": page}))
    scene.fail()
    assert addresses(scene.deliver()) == [ALICE]
    to_bob(scene)
    scene.fail(event_type="charge.failed")
    assert addresses(scene.deliver()) == [ALICE, BOB]


def test_who_left_the_people_is_followed_by_who_is_on_call(scene: Scene, configure: Configure) -> None:
    scene.fail(event_id="evt_1")
    scene.deliver()
    people = {name: one for name, one in PEOPLE.items() if name != "alice"}
    configure(**site(people=people, oncall={"payments": DAILY | {"MEMBERS": ["bob"]}}))
    tick.hand_over(scene.now)
    assert addresses(scene.deliver()) == [BOB]
    scene.recover("evt_1")
    assert addresses(scene.deliver()) == [BOB]


def test_a_policy_without_rotations_is_the_same_and_asks_the_database_nothing(
    configure: Configure, django_assert_num_queries: Any
) -> None:
    configure(people={"alice": {}})
    with django_assert_num_queries(0):
        assert policy_now(datetime.now(UTC)) is get_policy()


def test_slack_reaches_people_by_their_id(scene: Scene) -> None:
    raw = {
        "PEOPLE": {"alice": {"SLACK_ID": "U0123"}},
        "ONCALL": {"payments": DAILY | {"MEMBERS": ["alice"]}},
        "CHANNELS": {"slack": {"BACKEND": "slack", "TO": ["#payments", {"oncall": "payments"}]}},
    }
    policy, problems = parse(raw, {"SLACK_BOT_TOKEN": "xoxb-made-up"}.get)
    assert policy is not None, problems
    found = present(policy, scene.now).channels["slack"].targets
    assert found == (Recipient("slack", "slack", "#payments"), Recipient("slack", "slack", "U0123", "alice"))


@pytest.mark.parametrize(
    ("to", "said"),
    [
        ({"oncall": "payment"}, '["TO"]: there is no rotation "payment". Did you mean "payments"?'),
        (
            {"on_call": "payments"},
            '["TO"]: must be a text or name a rotation. Write an address in quotes, or {"oncall"',
        ),
        ([ALICE, 5], '["TO"][1]: must be a text or name'),
    ],
)
def test_what_is_wrong_with_a_recipient_is_said_with_its_place(to: object, said: str) -> None:
    raw = {"CHANNELS": {"page": {"BACKEND": "sms", "TO": to}}, "PEOPLE": PEOPLE, "ONCALL": {"payments": DAILY}}
    assert [str(one) for one in parse(raw)[1] if said in str(one)] != [], parse(raw)[1]


def test_reminders_of_who_was_told_go_on(scene: Scene, configure: Configure) -> None:
    configure(**site(routes=[{"match": {}, "to": ["page"], "repeat": "1h"}]))
    scene.fail()
    scene.deliver()
    to_bob(scene)
    assert ALICE in addresses(scene.deliver())
    assert "repeat" in reasons(memory.outbox)
