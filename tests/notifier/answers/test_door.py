"""The one door: each effect once, with its entry in the alert's log, and everybody who was told sees it."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from notifier.answers.commands import Answer, Asker, Command, Verb
from notifier.answers.door import answer
from notifier.channels import memory
from notifier.facts import Severity
from notifier.flow import silences
from notifier.models import Alert, LogEntry, Silence
from tests.notifier.conftest import Configure
from tests.notifier.scene import HOUR, MINUTE, Scene, reasons, row_of

pytestmark = pytest.mark.django_db
ANA, BEN = Asker("Ana", "sms", "+4915112345678"), Asker("Ben", "slack", "U0123456")


def say(scene: Scene, alert: Alert, verb: Verb, asker: Asker = ANA, **more: object) -> Answer:
    return answer(Command(verb, alert.pk, **more), asker, scene.now)  # type: ignore[arg-type]  # the fields of a test


@pytest.fixture
def alert(scene: Scene) -> Alert:
    found = scene.alert()
    scene.deliver()
    return found


def test_an_acknowledgement_is_done_logged_and_told(scene: Scene, alert: Alert) -> None:
    assert say(scene, alert, Verb.ACKNOWLEDGE) == Answer(True, f"Alert {alert.pk}: acknowledged until 20:00 UTC.")
    entry = LogEntry.objects.get()
    assert (entry.who, entry.through, entry.verb, entry.changed) == ("Ana", "sms", "acknowledge", True)
    assert entry.address == "+49…78"
    assert entry.until == scene.now + 8 * HOUR

    [sent] = scene.deliver()
    assert sent.message.reason == "answered"
    assert sent.message.news == "Ana acknowledged it by SMS, until 20:00 UTC"
    what = f"ERROR invoice.paid: a bug in the handler (KeyError). Alert {alert.pk}."
    assert sent.message.short == f"Ana acknowledged it by SMS, until 20:00 UTC. {what}"
    assert scene.deliver() == []


def test_the_second_hears_what_the_first_did(scene: Scene, alert: Alert) -> None:
    say(scene, alert, Verb.ACKNOWLEDGE, duration=70 * MINUTE)
    scene.clock.step(2 * MINUTE)
    again = say(scene, alert, Verb.ACKNOWLEDGE, BEN)
    assert again == Answer(False, f"Alert {alert.pk}: Ana acknowledged it 2 minutes ago, until 13:10 UTC.")
    alert.refresh_from_db()
    assert alert.acknowledged_by == "Ana"
    assert list(LogEntry.objects.values_list("who", "changed")) == [("Ana", True), ("Ben", False)]


def test_what_became_worse_may_be_acknowledged_again(scene: Scene, alert: Alert) -> None:
    say(scene, alert, Verb.ACKNOWLEDGE)
    Alert.objects.update(severity=Severity.CRITICAL)
    assert say(scene, alert, Verb.ACKNOWLEDGE, BEN).changed


def test_another_time_may_be_asked_for(scene: Scene, alert: Alert) -> None:
    say(scene, alert, Verb.ACKNOWLEDGE)
    assert say(scene, alert, Verb.ACKNOWLEDGE, duration=2 * HOUR).changed
    assert not say(scene, alert, Verb.ACKNOWLEDGE, duration=2 * HOUR).changed  # the same, sent twice
    alert.refresh_from_db()
    assert alert.acknowledged_until == scene.now + 2 * HOUR


@pytest.mark.parametrize("duration", [timedelta(0), -HOUR, timedelta(days=31)])
@pytest.mark.parametrize("verb", [Verb.ACKNOWLEDGE, Verb.SILENCE])
def test_a_time_that_cannot_be(scene: Scene, alert: Alert, verb: Verb, duration: timedelta) -> None:
    refused = say(scene, alert, verb, duration=duration)
    assert refused == Answer(False, "For how long? More than nothing, and at most 30 days.")
    assert not Silence.objects.exists()


def test_taken_back_what_waited_goes_on(scene: Scene, alert: Alert) -> None:
    say(scene, alert, Verb.ACKNOWLEDGE)
    scene.deliver()
    scene.fail()
    scene.clock.step(HOUR)
    assert scene.deliver() == []
    assert row_of(alert).held_words == "acknowledged"
    assert say(scene, alert, Verb.TAKE_BACK).changed
    [sent] = scene.deliver()
    assert sent.message.news.startswith("Ana took back the acknowledgement by SMS; 1 more in 1 h")
    assert not say(scene, alert, Verb.TAKE_BACK).changed


def test_one_that_was_asked_before_the_present_acknowledgement_takes_nothing_back(scene: Scene, alert: Alert) -> None:
    early = Asker("Ben", "slack", "U0123456", at=scene.now)
    scene.clock.step(MINUTE)
    say(scene, alert, Verb.ACKNOWLEDGE)
    assert not say(scene, alert, Verb.TAKE_BACK, early).changed
    alert.refresh_from_db()
    assert alert.acknowledged_by == "Ana"


def test_resolved_once_by_whoever_was_first(scene: Scene, alert: Alert) -> None:
    assert say(scene, alert, Verb.RESOLVE) == Answer(True, f"Alert {alert.pk}: resolved.")
    scene.clock.step(MINUTE)
    for verb in (Verb.RESOLVE, Verb.ACKNOWLEDGE, Verb.TAKE_BACK):
        late = say(scene, alert, verb, BEN)
        assert late == Answer(False, f"Alert {alert.pk}: over since 12:00 UTC, by Ana.")
    assert reasons(scene.deliver()) == ["resolved"]


def test_of_two_services_that_are_away_one_is_silenced(scene: Scene) -> None:
    away: dict[str, Any] = {"exceptions": ("requests.exceptions.ConnectionError", "OSError"), "kind": "network"}
    taxes = scene.alert(**away, peer="tax.example.com")
    scene.deliver()
    say(scene, taxes, Verb.SILENCE, duration=4 * HOUR)
    scene.deliver()

    scene.alert(**away, peer="crm.example.com", event_type="customer.created")
    assert reasons(scene.deliver()) == ["first"]
    scene.fail(**away, peer="tax.example.com", event_type="charge.failed")
    assert scene.pass_time(HOUR) == []


def test_a_silence_is_taken_back_by_whoever_wants_to_hear_again(scene: Scene, alert: Alert) -> None:
    nothing = Answer(
        False, f"Alert {alert.pk}: no silence is of its kind alone. Wider ones end in the admin, or on their page."
    )
    assert say(scene, alert, Verb.UNSILENCE) == nothing
    say(scene, alert, Verb.SILENCE)
    silence = Silence.objects.get()
    scene.deliver()
    scene.fail()
    assert scene.pass_time(30 * MINUTE) == []
    assert say(scene, alert, Verb.UNSILENCE, BEN) == Answer(
        True, f"Alert {alert.pk}: its kind is told again, silence {silence.pk}."
    )
    [sent] = scene.deliver()
    assert sent.message.news.startswith("Ben ended the silence of its kind")
    assert "Silence 1 h" in [button.text for button in sent.message.buttons]
    assert say(scene, alert, Verb.UNSILENCE) == nothing


def test_a_wider_silence_is_not_ended_by_an_answer(scene: Scene, alert: Alert) -> None:
    silences.silence({"event": "*"}, until=scene.now + HOUR, author="ada", comment="", now=scene.now)
    assert not say(scene, alert, Verb.UNSILENCE).changed
    assert Silence.objects.get().ends_at == scene.now + HOUR


def test_a_silence_is_of_its_kind_and_made_once(scene: Scene, alert: Alert) -> None:
    done = say(scene, alert, Verb.SILENCE, duration=4 * HOUR)
    silence = Silence.objects.get()
    assert done == Answer(True, f"Alert {alert.pk}: its kind is silenced until 16:00 UTC, silence {silence.pk}.")
    assert silence.matcher == {"fingerprint": alert.fingerprint}
    again = say(scene, alert, Verb.SILENCE, BEN, duration=4 * HOUR)
    assert again.sentence == (
        f"Alert {alert.pk}: its kind is silenced by Ana already, until 16:00 UTC (silence {silence.pk})."
    )
    assert Silence.objects.count() == 1

    [sent] = scene.deliver()  # the silence holds what follows, and not that it began
    assert "Silenced until 16:00 UTC" in sent.message.footer
    scene.fail()
    assert scene.pass_time(HOUR, step=10 * MINUTE) == []


def test_a_comment_is_logged_and_wakes_nobody(scene: Scene, alert: Alert) -> None:
    assert say(scene, alert, Verb.COMMENT, text="it is the tax service").changed
    assert not say(scene, alert, Verb.COMMENT, text=" ").changed
    assert scene.deliver() == []
    assert list(LogEntry.objects.values_list("text", flat=True)) == ["it is the tax service", " "]


def test_what_does_not_exist(scene: Scene, alert: Alert) -> None:
    assert answer(Command(Verb.ACKNOWLEDGE, 4711), ANA, scene.now) == Answer(False, "There is no alert 4711.")
    assert say(scene, alert, Verb.STEP) == Answer(False, "This site has no way to step.")


def test_nul_and_half_characters_are_stored_on_every_database(scene: Scene, alert: Alert) -> None:
    assert say(scene, alert, Verb.COMMENT, Asker("A\0n\ud800a", "link", "\0"), text="x\0\ud800").changed
    assert LogEntry.objects.get().who == "A\ufffdn\ufffda"


def test_who_answers_from_where_they_were_told_is_not_told_again(scene: Scene, configure: Configure) -> None:
    configure(channels={"chat": {"BACKEND": "memory", "TO": ["ana", "ben"]}})
    alert = scene.alert()
    scene.deliver()
    say(scene, alert, Verb.ACKNOWLEDGE, Asker("Ana", "sms", "ana"))
    assert [sent.address for sent in scene.deliver()] == ["ben"]


def test_an_answer_while_a_message_is_under_way_is_told_after_it(scene: Scene, configure: Configure) -> None:
    alert = scene.alert()

    def meanwhile(_name: str, run: object) -> None:
        if not LogEntry.objects.exists():
            say(scene, alert, Verb.ACKNOWLEDGE)
        run()  # type: ignore[operator]  # the call to the provider

    scene.courier("chat")._start = meanwhile
    assert reasons(scene.deliver()) == ["first", "answered"]


def test_quiet_hours_keep_the_news_from_whom_they_kept_the_page(scene: Scene, configure: Configure) -> None:
    configure(quiet_hours={"noon": {"HOURS": "12:30-14:00", "CHANNELS": ["chat"], "UNLESS": "critical"}})
    alert = scene.alert()
    scene.deliver()
    scene.clock.step(HOUR)
    say(scene, alert, Verb.ACKNOWLEDGE)
    assert scene.deliver() == []
    scene.clock.step(HOUR)
    assert reasons(scene.deliver()) == ["answered"]


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_one_gets_the_effect(scene: Scene) -> None:
    alert = scene.alert()
    together = threading.Barrier(4)
    answers: list[Answer] = []

    def ask(name: str) -> None:
        together.wait()
        answers.append(say(scene, alert, Verb.ACKNOWLEDGE, Asker(name, "page")))
        connection.close()

    threads = [threading.Thread(target=ask, args=(name,)) for name in ("Ana", "Ben", "Cem", "Dag")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [one.changed for one in answers].count(True) == 1
    alert.refresh_from_db()
    losers = {one.sentence for one in answers if not one.changed}
    assert losers == {f"Alert {alert.pk}: {alert.acknowledged_by} acknowledged it just now, until 20:00 UTC."}
    assert LogEntry.objects.filter(changed=True).count() == 1


def test_nothing_is_sent_by_the_door_itself(scene: Scene, alert: Alert) -> None:
    before = len(memory.outbox)
    for verb in (Verb.ACKNOWLEDGE, Verb.SILENCE, Verb.REPLAY, Verb.TAKE_BACK, Verb.RESOLVE):
        say(scene, alert, verb)
    assert len(memory.outbox) == before
