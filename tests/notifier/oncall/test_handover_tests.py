"""HANDOVER_TEST: who comes on call answers a page, or it goes to who was before them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from notifier.answers.commands import Answer, Asker, Command, Verb
from notifier.answers.door import answer
from notifier.channels import memory
from notifier.delivery import tick
from notifier.flow import silences
from notifier.models import Alert, Handover, LogEntry, Notification
from tests.notifier.conftest import Configure
from tests.notifier.oncall.test_notes import TUESDAY, at_the_handover, look, said
from tests.notifier.oncall.test_on_call_hears import ALICE, BOB, DAILY, site
from tests.notifier.scene import HOUR, MINUTE, Scene, reasons, refused

pytestmark = pytest.mark.django_db

TESTED = DAILY | {"HANDOVER_TEST": True, "HANDOVER_MESSAGE": False}
UNANSWERED = "bob has not answered the test page for payments (alert {})"


@pytest.fixture(autouse=True)
def _site(configure: Configure, scene: Scene) -> None:
    with_tests(configure)
    scene.clock.step(MINUTE)
    look(scene)


def with_tests(configure: Configure, **changes: Any) -> None:
    configure(**site(oncall={"payments": TESTED}, **changes))


def paged(scene: Scene) -> Alert:
    [page] = at_the_handover(scene)
    assert said(page) == (BOB, "Test page for bob, on call for payments from now on")
    return Alert.objects.get()


def acknowledge(scene: Scene, alert: Alert, verb: Verb = Verb.ACKNOWLEDGE) -> Answer:
    return answer(Command(verb, alert.pk), Asker("bob", "sms", BOB), scene.now)


def pass_time(scene: Scene, by: timedelta) -> list[memory.Sent]:
    """What is sent meanwhile, looked for each minute, and over hours each ten."""
    end, sent = scene.now + by, list[memory.Sent]()
    while scene.now < end:
        scene.clock.step(MINUTE if by < HOUR else 10 * MINUTE)
        sent += look(scene)
    return sent


def test_whoever_answers_it_has_ended_it_and_nobody_else_hears(scene: Scene) -> None:
    alert = paged(scene)
    scene.clock.step(5 * MINUTE)
    assert acknowledge(scene, alert) == Answer(True, f"Alert {alert.pk}: acknowledged.")
    alert.refresh_from_db()
    assert alert.resolved_how == "answered by bob"
    assert pass_time(scene, HOUR) == []
    assert not acknowledge(scene, alert).changed


def test_unanswered_it_goes_to_the_one_before_after_a_quarter_of_an_hour_and_once(scene: Scene) -> None:
    alert = paged(scene)
    assert pass_time(scene, 14 * MINUTE) == []
    [note] = pass_time(scene, MINUTE)
    assert said(note) == (ALICE, UNANSWERED.format(alert.pk))
    assert "Reach bob, or take the shift: manage.py override payments YOU --for 8h" in note.message.text
    assert "take the shift" in note.message.short
    assert pass_time(scene, 3 * HOUR) == []
    assert LogEntry.objects.get().detail == "Nobody has acknowledged it: alice, who was on call before, is told"


@pytest.mark.parametrize("verb", [Verb.ACKNOWLEDGE, Verb.RESOLVE])
def test_an_answer_that_comes_late_is_told_to_who_was_told_of_the_silence(scene: Scene, verb: Verb) -> None:
    alert = paged(scene)
    pass_time(scene, HOUR)
    acknowledge(scene, alert, verb)
    [note] = look(scene)
    assert said(note) == (ALICE, "The test page for payments is over: answered by bob")


def test_an_answer_before_the_note_is_sent_takes_it_back(scene: Scene) -> None:
    alert = paged(scene)
    scene.clock.step(15 * MINUTE)
    tick.record_handovers(scene.now)
    acknowledge(scene, alert)
    assert pass_time(scene, HOUR) == []


def test_who_was_before_is_the_one_before_this_handover(scene: Scene) -> None:
    paged(scene)
    scene.clock.at = TUESDAY + timedelta(days=1)
    [page] = look(scene)
    assert said(page) == (ALICE, "Test page for alice, on call for payments from now on")
    first, second = Alert.objects.order_by("pk")
    assert first.resolved_how == "handed over since"
    [note] = pass_time(scene, 15 * MINUTE)
    assert said(note) == (BOB, f"alice has not answered the test page for payments (alert {second.pk})")


def test_what_quiet_hours_hold_is_waited_for(scene: Scene, configure: Configure) -> None:
    quiet = {"noon": {"HOURS": "11:00-13:00", "CHANNELS": ["page"]}}
    with_tests(configure, quiet_hours=quiet)
    assert at_the_handover(scene) == []
    heard = pass_time(scene, HOUR)
    assert [said(one)[0] for one in heard] == [BOB]
    assert pass_time(scene, 14 * MINUTE) == []
    assert [said(one)[0] for one in pass_time(scene, 2 * MINUTE)] == [ALICE]


def test_a_number_that_is_dead_answers_nothing(scene: Scene) -> None:
    memory.fail_next(refused(dead=True))
    heard = at_the_handover(scene) + pass_time(scene, 16 * MINUTE)
    assert (ALICE, UNANSWERED.format(Alert.objects.earliest("pk").pk)) in map(said, heard)


def test_where_nobody_was_before_the_last_resort_hears(
    scene: Scene, configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Alert] = []
    monkeypatch.setattr("notifier.outbox.last_resort.not_acknowledged", told.append)
    Handover.objects.all().delete()
    configure(**site(oncall={"payments": TESTED | {"MEMBERS": [None, "bob"]}}))
    look(scene)
    paged(scene)
    assert pass_time(scene, HOUR) == []
    assert len(told) == 1


def test_it_is_off_unless_it_is_asked_for(scene: Scene, configure: Configure) -> None:
    configure(**site())
    [note] = at_the_handover(scene)
    assert note.message.title.startswith("You are on call for payments")
    assert not Alert.objects.exists()


def test_no_route_hears_of_it_and_the_handovers_list_of_what_is_open_leaves_it_out(
    scene: Scene, configure: Configure
) -> None:
    configure(
        **site(oncall={"payments": TESTED | {"HANDOVER_MESSAGE": True}}, routes=[{"match": {}, "to": ["page", "team"]}])
    )
    sent = at_the_handover(scene)
    assert sorted(reasons(sent)) == ["digest", "first"]
    assert {one.address for one in sent} == {BOB}
    assert any("Nothing is open." in one.message.text for one in sent)


def test_what_was_held_until_the_next_handover_goes_to_nobody_else(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    cried: list[object] = []
    monkeypatch.setattr("notifier.outbox.recipients.last_resort.not_delivered", lambda *args: cried.append(args))
    until = TUESDAY + timedelta(hours=23, minutes=59)
    silences.silence({"source": "handover.*"}, until=until, author="ada", comment="", now=scene.now)
    assert at_the_handover(scene) == []
    scene.clock.at = TUESDAY + timedelta(days=1, seconds=1)
    tick.hand_over(scene.now)
    assert scene.deliver() == []
    assert [said(one) for one in look(scene)] == [(ALICE, "Test page for alice, on call for payments from now on")]
    assert cried == []


def test_it_ends_by_itself_without_a_word(scene: Scene, configure: Configure) -> None:
    alert = paged(scene)
    Notification.objects.update(due_at=None)
    scene.clock.step(timedelta(days=1, minutes=1))
    tick.resolve_overdue(scene.now)
    assert scene.deliver() == []
    alert.refresh_from_db()
    assert alert.resolved_at is not None
