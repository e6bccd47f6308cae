"""When nobody can be woken: said before it happens, with what it costs, by the checks, an alert and a metric."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core import checks

from notifier.checks import check_notifier, check_on_call
from notifier.config import coverage
from notifier.config.conf import get_policy, parse
from notifier.delivery import holes
from notifier.metrics import collect
from notifier.models import Alert, Target
from notifier.oncall import overrides
from notifier.outbox import set_aside, targets
from tests.notifier.conftest import Configure
from tests.notifier.oncall.test_on_call_hears import DAILY, PEOPLE, site
from tests.notifier.scene import HOUR, MINUTE, NOON, SECOND, Scene, refused

pytestmark = pytest.mark.django_db

WEEKDAYS = DAILY | {"HOURS": "Mon-Fri 00:00-24:00"}
SMS = {"BACKEND": "sms", "TO": {"oncall": "payments"}}


def problems(**changes: Any) -> list[str]:
    raw = {
        "TZ": "UTC",
        "PEOPLE": {name: {"ADDRESSES": {"page": one["ADDRESSES"]["page"]}} for name, one in PEOPLE.items()},
        "ONCALL": {"payments": WEEKDAYS},
        "CHANNELS": {"page": SMS, "team": {"BACKEND": "email", "TO": "team@example.com"}},
        "ROUTES": {"critical": ["page"], "*": ["team"]},
    } | changes
    policy, found = parse(raw)
    assert policy is not None, found
    return [str(one) for one in coverage.problems(policy, raw, NOON)]


def open_alert() -> Alert | None:
    return Alert.objects.filter(source="oncall.payments", resolved_at__isnull=True).first()


# --- the checks ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "costs"),
    [
        ({}, "a critical alert wakes no one"),
        # By mail it is heard, but it wakes nobody.
        ({"CHANNELS": {"page": SMS | {"FAILOVER": "team"}}}, "a critical alert wakes no one"),
        ({"CHANNELS": {"page": SMS | {"FAILOVER": "chat"}}}, "only chat hears of alerts"),
        ({"CHANNELS": {"page": SMS | {"TO": ["+14155552679", {"oncall": "payments"}]}}}, "only page hears of alerts"),
        ({"ROUTES": {"critical": ["chat"], "*": ["page"]}}, "nobody hears what goes to page"),
        ({"ROUTES": {"critical": ["page", "chat"], "*": []}}, "nobody hears what goes to page"),
    ],
)
def test_a_gap_is_told_with_its_time_and_what_it_costs(changes: dict[str, Any], costs: str) -> None:
    channels = {
        "page": SMS,
        "team": {"BACKEND": "email", "TO": "team@example.com"},
        "chat": {"BACKEND": "slack", "TO": "#payments"},
    }
    [said] = problems(**changes | {"CHANNELS": channels | changes.get("CHANNELS", {})})
    assert said == (
        'NOTIFIER["ONCALL"]["payments"]: nobody is on call Sat 28 Nov 00:00 to Mon 30 Nov 00:00 UTC, and 1 more time '
        f"within 14 days: {costs}. Add a member or a layer, or let somebody take it over: manage.py override."
    )


def test_a_covered_rotation_has_no_problem() -> None:
    assert problems(ONCALL={"payments": DAILY}) == []


def test_every_member_that_a_channel_does_not_reach_is_named() -> None:
    people = {"alice": {}, "bob": {"ADDRESSES": {"sms": "+14155552671"}}}
    assert problems(ONCALL={"payments": DAILY}, PEOPLE=people) == [
        'NOTIFIER["PEOPLE"]["alice"]: has no address on "page", by which "payments" is to reach them. '
        'Add "page" or "sms" to "ADDRESSES".'
    ]


VOICE = SMS | {"BACKEND": "voice"}


@pytest.mark.parametrize(
    ("addresses", "says"),
    [
        ({"sms": "+14155552672"}, []),
        ({"sms": "+14155552672", "voice": "+14155552672"}, []),
        ({"voice": "+14155552672"}, ["page"]),
        ({}, ["page", "call"]),
    ],
)
def test_to_be_called_is_everybody_s_choice_where_another_channel_rings(
    addresses: dict[str, str], says: list[str]
) -> None:
    people = {"alice": {"ADDRESSES": addresses}, "bob": {"ADDRESSES": {"sms": "+14155552671", "voice": "+14155552671"}}}
    channels = {"page": SMS, "call": VOICE, "team": {"BACKEND": "memory"}}
    found = problems(ONCALL={"payments": DAILY}, PEOPLE=people, CHANNELS=channels)
    assert [one.partition('no address on "')[2].partition('"')[0] for one in found if "alice" in one] == says


def test_where_nothing_else_rings_a_call_is_needed() -> None:
    people = {"alice": {}, "bob": {"ADDRESSES": {"voice": "+14155552671"}}}
    channels = {"call": VOICE, "team": {"BACKEND": "memory"}}
    [said] = problems(ONCALL={"payments": DAILY}, PEOPLE=people, CHANNELS=channels, ROUTES={"*": ["call", "team"]})
    assert 'has no address on "call"' in said


def test_a_member_whose_time_is_over_needs_no_address() -> None:
    left = [{"person": "alice", "until": "2026-11-22"}, "bob"]
    people = {"alice": {}, "bob": {"ADDRESSES": {"sms": "+14155552671"}}}
    assert problems(ONCALL={"payments": DAILY | {"MEMBERS": left}}, PEOPLE=people) == []


def test_a_rotation_that_nothing_uses_is_told() -> None:
    [said] = problems(CHANNELS={"page": SMS | {"TO": "+14155552671"}, "team": {"BACKEND": "memory"}})
    assert "nothing uses this rotation" in said


def test_manage_py_check_has_them(configure: Configure) -> None:
    configure(**site(oncall={"payments": WEEKDAYS}))
    with time_machine.travel(NOON, tick=False):
        found = [one for one in check_notifier() if one.id == "notifier.W012"]
    assert [type(one) for one in found] == [checks.Warning]


# --- the alert -------------------------------------------------------------------------------------------------------


@pytest.fixture
def uncovered(scene: Scene, configure: Configure) -> Scene:
    page = {"BACKEND": "memory", "TO": {"oncall": "payments"}}
    configure(**site(oncall={"payments": WEEKDAYS}, channels={"page": page}))
    return scene


def test_a_gap_ahead_is_one_alert_however_often_it_is_looked_for(uncovered: Scene) -> None:
    for _ in range(4):
        holes.tell_of_holes(uncovered.now)
        uncovered.clock.step(HOUR)
    alert = open_alert()
    assert alert is not None
    assert (alert.count, alert.title) == (
        1,
        "Nobody is on call for payments Sat 28 Nov 00:00 to Mon 30 Nov 00:00 UTC",
    )
    assert "Then a critical alert wakes no one." in alert.hint
    assert alert.severity == 20


def test_on_the_last_day_it_becomes_an_error(uncovered: Scene) -> None:
    holes.tell_of_holes(uncovered.now)
    uncovered.clock.step(timedelta(days=4))
    holes.tell_of_holes(uncovered.now)
    alert = open_alert()
    assert alert is not None
    assert (alert.count, alert.severity) == (2, 30)


def test_it_ends_when_somebody_takes_the_time_over(uncovered: Scene) -> None:
    policy = get_policy()
    holes.tell_of_holes(uncovered.now)
    for start in (NOON + timedelta(days=4), NOON + timedelta(days=11)):
        overrides.take(
            policy.rotations["payments"],
            policy.people["carol"],
            start=start,
            end=start + timedelta(days=3),
            author="carol",
            now=uncovered.now,
        )
    holes.tell_of_holes(uncovered.now + SECOND)
    assert open_alert() is None


def test_it_ends_with_the_rotation(uncovered: Scene, configure: Configure) -> None:
    holes.tell_of_holes(uncovered.now)
    configure()
    holes.tell_of_holes(uncovered.now)
    assert open_alert() is None


def test_what_a_failover_hears_is_no_alert(scene: Scene, configure: Configure) -> None:
    page = {"BACKEND": "slack", "TO": {"oncall": "payments"}, "FAILOVER": "chat"}
    chat = {"BACKEND": "slack", "TO": "#payments"}
    people = {name: {"SLACK_ID": f"U012{name.upper()}"} for name in PEOPLE}
    configure(**site(people=people, oncall={"payments": WEEKDAYS}, channels={"page": page, "chat": chat}))
    holes.tell_of_holes(scene.now)
    assert open_alert() is None


def test_a_number_that_nothing_reaches_is_told_before_its_next_shift(scene: Scene, configure: Configure) -> None:
    configure(**site(channels={"page": {"BACKEND": "memory", "TO": {"oncall": "payments"}}}))
    holes.tell_of_holes(scene.now)
    assert open_alert() is None
    bob = targets.row_of(get_policy().channels["page"].people["page:person bob"])
    set_aside.set_aside(bob.pk, refused(dead=True), scene.now)
    holes.tell_of_holes(scene.now + MINUTE)
    alert = open_alert()
    assert alert is not None
    assert alert.title.startswith("bob, on call for payments Tue 24 Nov 12:00 to Wed 25 Nov 12:00 UTC, is not reached")
    Target.objects.update(dead_since=None)
    holes.tell_of_holes(scene.now + 2 * MINUTE)
    assert open_alert() is None


def test_the_check_with_the_database_says_it_too(scene: Scene, configure: Configure) -> None:
    configure(**site(channels={"page": {"BACKEND": "memory", "TO": {"oncall": "payments"}}}, routes={"*": ["page"]}))
    with time_machine.travel(scene.now, tick=False):
        assert check_on_call(databases=["default"]) == []
        bob = targets.row_of(get_policy().channels["page"].people["page:person bob"])
        set_aside.set_aside(bob.pk, refused(dead=True), scene.now)
        [found] = check_on_call(databases=["default"])
    assert str(found.msg) == (
        'NOTIFIER["PEOPLE"]["bob"]: their address on page is set aside, and they are on call Tue 24 Nov 12:00 to '
        "Wed 25 Nov 12:00 UTC: a critical alert wakes no one."
    )


def test_an_override_of_somebody_who_has_left_is_told(scene: Scene, configure: Configure) -> None:
    page = {"BACKEND": "memory", "TO": {"oncall": "payments"}}
    configure(**site(channels={"page": page}))
    policy = get_policy()
    overrides.take(
        policy.rotations["payments"],
        policy.people["carol"],
        start=scene.now + HOUR,
        end=scene.now + 2 * HOUR,
        author="carol",
        now=scene.now,
    )
    configure(**site(people={one: PEOPLE[one] for one in ("alice", "bob")}, channels={"page": page}))
    holes.tell_of_holes(scene.now)
    alert = open_alert()
    assert alert is not None
    assert alert.title.startswith("carol (not in PEOPLE), on call for payments Mon 23 Nov 13:00 to ")


def test_the_metric_counts_the_time(uncovered: Scene) -> None:
    found = {one.name: one for one in collect(uncovered.now)}["notifier_uncovered_seconds"]
    assert [(sample.labels, sample.value) for sample in found.samples] == [
        ({"rotation": "payments"}, timedelta(days=4).total_seconds())
    ]
