"""What a handover brings: one message with what is open, and no news that is lost between two people."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from notifier.channels import memory
from notifier.config.conf import get_policy
from notifier.delivery import tick
from notifier.flow import pipeline
from notifier.models import Digest, Override
from notifier.oncall import overrides
from tests.notifier.conftest import Configure
from tests.notifier.oncall.rotations import utc
from tests.notifier.oncall.test_on_call_hears import ALICE, BOB, CAROL, DAILY, PEOPLE, addresses, site
from tests.notifier.scene import HOUR, MINUTE, NOON, Scene, busy, refused

pytestmark = pytest.mark.django_db

TUESDAY = utc("2026-11-24 12:00")  # alice hands over to bob


@pytest.fixture(autouse=True)
def _site(configure: Configure, scene: Scene) -> None:
    configure(**site())
    scene.clock.step(MINUTE)
    look(scene)


def look(scene: Scene) -> list[memory.Sent]:
    """What the tick does about the rotation, and then the couriers."""
    tick.record_handovers(scene.now)
    return scene.deliver()


def at_the_handover(scene: Scene) -> list[memory.Sent]:
    scene.clock.at = TUESDAY
    return look(scene)


def take(scene: Scene, person: str, start: timedelta, lasting: timedelta) -> Override:
    policy = get_policy()
    begin = scene.now + start
    return overrides.take(
        policy.rotations["payments"],
        policy.people[person],
        start=begin,
        end=begin + lasting,
        author=person,
        now=scene.now,
    )


def said(one: memory.Sent) -> tuple[str, str]:
    return one.address, one.message.title


# --- the handover ---------------------------------------------------------------------------------------------------


def test_the_next_person_gets_one_message_with_what_is_open_and_who_has_it(scene: Scene) -> None:
    alert = scene.alert(event_id="evt_1")
    other = scene.alert(event_id="evt_2", event_type="charge.failed")
    scene.deliver()
    scene.clock.at = TUESDAY - HOUR
    pipeline.acknowledge(other, "alice", scene.now)
    [note] = at_the_handover(scene)

    assert said(note) == (BOB, "You are on call for payments until Wed 25 Nov 12:00 UTC")
    text = note.message.text
    assert "You take over from alice." in text
    assert "2 alerts are open, 1 of them acknowledged by nobody." in text
    assert f"Alert {alert.pk}, error: " in text
    assert "1 failure since Mon 23 Nov 12:01 UTC; acknowledged by nobody" in text
    assert "acknowledged by alice until 19:00 UTC" in text
    assert f"Alert {alert.pk}" in note.message.html
    assert len(note.message.short) <= 290
    assert look(scene) == []


def test_after_it_news_reminders_and_the_end_go_to_both(scene: Scene, configure: Configure) -> None:
    configure(**site(routes=[{"match": {}, "to": ["page"], "interval": "5m", "repeat": "2h"}]))
    scene.fail(event_id="evt_1")
    scene.deliver()
    at_the_handover(scene)
    scene.deliver()
    heard = scene.pass_time(3 * HOUR)
    assert [(one.address, str(one.message.reason)) for one in heard if one.address == BOB] == [(BOB, "repeat")]
    scene.fail(event_id="evt_2")
    updates = [one for one in scene.pass_time(10 * MINUTE) if str(one.message.reason) == "update"]
    assert addresses(updates) == [ALICE, BOB]  # both are sent at the same moment
    scene.recover("evt_1")
    scene.recover("evt_2")
    assert addresses(scene.deliver()) == [ALICE, BOB]


def test_who_comes_back_is_not_told_of_it_as_new(scene: Scene) -> None:
    scene.fail(event_id="evt_1")
    scene.deliver()
    at_the_handover(scene)
    scene.clock.at = TUESDAY + timedelta(days=1)
    [note] = look(scene)
    assert said(note) == (ALICE, "You are on call for payments until Thu 26 Nov 12:00 UTC")


def test_they_read_it_in_their_own_time(scene: Scene, configure: Configure) -> None:
    people = {name: one | {"TZ": "Asia/Tokyo"} for name, one in PEOPLE.items()}
    configure(**site(people=people))
    [note] = at_the_handover(scene)
    assert said(note) == (BOB, "You are on call for payments until Wed 25 Nov 21:00 JST")


def test_with_nothing_open_it_says_so(scene: Scene) -> None:
    [note] = at_the_handover(scene)
    assert "Nothing is open." in note.message.text
    assert note.message.short == "You are on call for payments until Wed 25 Nov 12:00 UTC. Nothing is open."


def test_without_the_message_they_still_hear_how_it_goes_on(scene: Scene, configure: Configure) -> None:
    configure(**site(oncall={"payments": DAILY | {"HANDOVER_MESSAGE": False}}))
    scene.fail(event_id="evt_1")
    scene.deliver()
    assert at_the_handover(scene) == []
    scene.recover("evt_1")
    assert addresses(scene.deliver()) == [ALICE, BOB]


def test_a_shift_of_the_same_person_is_no_handover_to_tell(scene: Scene, configure: Configure) -> None:
    configure(**site(oncall={"payments": DAILY | {"MEMBERS": ["alice"]}}))
    assert at_the_handover(scene) == []


def test_an_alert_that_nobody_has_heard_of_goes_as_new_and_once(scene: Scene) -> None:
    scene.clock.at = TUESDAY - MINUTE
    scene.fail()
    memory.fail_next(busy())
    scene.deliver()
    arrived = at_the_handover(scene) + scene.pass_time(5 * MINUTE)
    assert sorted((one.address, str(one.message.reason)) for one in arrived) == [(BOB, "digest"), (BOB, "first")]


def test_a_note_that_is_late_for_its_moment_is_not_sent(scene: Scene) -> None:
    memory.fail_next(*[busy()] * 1000)
    at_the_handover(scene)
    scene.clock.at = TUESDAY + timedelta(days=1, minutes=1)
    memory.clear()
    tick.record_handovers(scene.now)
    assert [said(one) for one in scene.deliver()] == [
        (ALICE, "You are on call for payments until Thu 26 Nov 12:00 UTC")
    ]


def test_a_note_to_a_dead_number_is_told_at_the_last_resort(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr("notifier.outbox.digest_trouble.last_resort.say", lambda key, title, text: told.append(title))
    memory.fail_next(refused(dead=True))
    at_the_handover(scene)
    assert told != []
    assert BOB not in told[0], "no number is shown whole"


@pytest.mark.parametrize("looks", [1, 3])
def test_handovers_that_nobody_saw_are_told_to_who_is_on_call_now_alone(scene: Scene, looks: int) -> None:
    scene.clock.at = TUESDAY + timedelta(days=2, minutes=10)
    heard = [one for _ in range(looks) for one in look(scene)]
    assert [said(one)[0] for one in heard] == [BOB]


# --- overrides ------------------------------------------------------------------------------------------------------


def test_an_override_is_told_to_both_and_so_is_its_undoing(scene: Scene) -> None:
    row = take(scene, "carol", HOUR, HOUR)
    sentence = "carol is on call for payments from 13:01 UTC to 14:01 (UTC), instead of alice."
    assert sorted(map(said, look(scene))) == [(ALICE, sentence), (CAROL, sentence)]
    assert look(scene) == []
    scene.clock.step(MINUTE)
    overrides.undo(row, "alice", scene.now)
    assert addresses(look(scene)) == [ALICE, CAROL]
    assert all("Undone by alice: carol does not take payments over" in one.message.title for one in memory.outbox[-2:])


def test_who_takes_over_now_is_told_what_is_open(scene: Scene) -> None:
    scene.fail()
    scene.deliver()
    take(scene, "carol", timedelta(0), HOUR)
    scene.clock.step(MINUTE)
    titles = [said(one) for one in look(scene)]
    assert (CAROL, "You are on call for payments until 13:01 UTC") in titles
    assert len(titles) == 3


def test_an_override_that_is_over_before_anybody_could_be_told_is_not_told(scene: Scene) -> None:
    take(scene, "carol", timedelta(0), MINUTE)
    scene.clock.step(HOUR)
    [note] = look(scene)
    assert said(note) == (ALICE, "You are on call for payments until Tue 24 Nov 12:00 UTC")


# --- the day before -------------------------------------------------------------------------------------------------


def test_of_the_shift_to_come_a_day_before(scene: Scene, configure: Configure) -> None:
    configure(**site(oncall={"payments": DAILY | {"DAY_BEFORE": True}}))
    scene.clock.at = NOON
    assert look(scene) == [], "a shift that begins in a day and a moment"
    scene.clock.step(MINUTE)
    [note] = look(scene)
    assert said(note) == (BOB, "You are on call for payments from Tue 24 Nov 12:00 UTC until Wed 25 Nov 12:00 UTC")
    scene.clock.step(HOUR)
    assert look(scene) == []


def test_notes_leave_digests_alone(scene: Scene, configure: Configure) -> None:
    changes: dict[str, Any] = {"digests": {"daily": {"AT": "08:00", "TO": ["page"]}}}
    configure(**site(**changes))
    at_the_handover(scene)
    assert set(Digest.objects.values_list("name", "kind")) == {("handover of payments", "handover")}
