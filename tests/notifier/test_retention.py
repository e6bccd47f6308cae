"""What was over long ago goes; what somebody is still to hear, or what the next message needs, stays."""

from __future__ import annotations

from datetime import timedelta
from itertools import count

import pytest
from django.apps import apps

from alerts_runtime.database import retention
from notifier.answers import door
from notifier.answers.commands import Asker, Command, Verb
from notifier.delivery import tick
from notifier.delivery.tick import Tick
from notifier.facts import Reason, Result
from notifier.flow import silences
from notifier.models import Alert, Attempt, AttemptPart, Digest, Notification, Occurrence, Silence, Target
from notifier.outbox import pruning
from tests.notifier.conftest import Configure
from tests.notifier.rows import a_notification, a_target, an_alert, failures_in_bulk
from tests.notifier.scene import HOUR, NOON, SECOND, Folding, Scene, send_digest

DAY = timedelta(days=1)
KEPT = 30 * DAY
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _short(scene: Scene, configure: Configure) -> None:
    configure(retention="30d")


def prune(scene: Scene) -> None:
    """As the worker does, batch after batch."""
    while tick.prune(scene.now):
        pass


def counts() -> dict[str, int]:
    """The tables that have rows, and how many."""
    models = apps.get_app_config("swa_notifier").get_models()
    found = {model.__name__: model._default_manager.count() for model in models if model is not Target}
    return {name: number for name, number in found.items() if number}


def an_ended_alert(scene: Scene) -> Alert:
    """One that was told, more than once, and recovered, and that is told too."""
    alert = scene.alert(event_id="evt_1")
    door.answer(Command(Verb.COMMENT, alert.pk, text="mine"), Asker("Ana", "page"), scene.now)
    scene.deliver()
    scene.fail(event_id="evt_1")
    scene.pass_time(HOUR, HOUR / 4)
    scene.recover("evt_1")
    scene.deliver()
    alert.refresh_from_db()
    assert alert.resolved_at == scene.now
    return alert


def test_an_alert_that_was_over_long_ago_goes_with_all_that_was_said_of_it(scene: Scene) -> None:
    an_ended_alert(scene)
    assert counts() == {
        "Alert": 1,
        "Occurrence": 2,
        "Notification": 1,
        "Attempt": 3,
        "AttemptPart": 3,
        "LogEntry": 1,
    }
    before = counts()

    scene.clock.step(KEPT)
    prune(scene)
    assert counts() == before

    scene.clock.step(SECOND)
    prune(scene)
    assert counts() == {}
    assert Target.objects.exists()


def test_an_open_alert_stays_however_old(scene: Scene) -> None:
    scene.alert()
    scene.deliver()
    before = counts()
    scene.clock.step(10 * KEPT)

    prune(scene)

    assert counts() == before


@pytest.mark.parametrize("waits", ["is due", "is held", "is being sent"])
def test_an_alert_of_which_somebody_is_still_to_hear_stays(scene: Scene, waits: str) -> None:
    alert = an_alert(resolved_at=NOON - 2 * KEPT, resolved_how="by retry")
    failures_in_bulk(alert, [{}])
    row = a_notification(alert, due_at=None if waits == "is being sent" else scene.now)
    attempt = Attempt.objects.create(target=row.target, token="t", reference="r", started_at=NOON - 2 * KEPT)
    AttemptPart.objects.create(
        attempt=attempt, notification=row, reason=Reason.FIRST, from_seq=0, to_seq=1, severity=alert.severity
    )
    if waits == "is held":
        Notification.objects.update(held_by="quiet_hours", held_ref="nights", due_at=scene.now + HOUR)
    elif waits == "is being sent":
        Notification.objects.update(sending=attempt)
    before = counts()

    prune(scene)

    assert counts() == before


def test_a_message_that_was_about_an_open_alert_as_well_stays(scene: Scene, configure: Configure) -> None:
    path = f"{Folding.__module__}.{Folding.__qualname__}"
    configure(channels={"page": {"BACKEND": path, "TO": ["page"]}}, routes={"*": ["page"]}, retention="30d")
    scene.alert(event_type="invoice.paid", event_id="evt_1")
    still_open = scene.alert(event_type="payout.failed")
    scene.deliver()
    assert Attempt.objects.get().parts_told.count() == 2
    scene.recover("evt_1")
    scene.deliver()

    scene.clock.step(KEPT + SECOND)
    prune(scene)

    assert Alert.objects.get() == still_open
    assert Attempt.objects.get().parts_told.get().notification.alert == still_open


def test_tests_and_digests_go_but_the_last_digest_stays(scene: Scene) -> None:
    target = a_target()
    old = {"target": target, "token": "t", "started_at": scene.now - 2 * KEPT, "result": Result.DELIVERED}
    Attempt.objects.create(reference="test", reason=Reason.TEST, **old)
    for days in (90, 60, 45):
        digest = Digest.objects.create(
            name="daily", target=target, starts_at=scene.now - days * DAY, ends_at=scene.now - (days - 1) * DAY
        )
        Attempt.objects.create(reference=str(days), reason=Reason.DIGEST, digest_of=digest, **old)
    Digest.objects.create(
        name="due", target=target, starts_at=scene.now - 90 * DAY, ends_at=scene.now - 89 * DAY, due_at=scene.now
    )
    Digest.objects.create(name="due", target=target, starts_at=scene.now - 80 * DAY, ends_at=scene.now - 79 * DAY)

    prune(scene)

    assert list(Attempt.objects.values_list("reference", flat=True)) == ["45"]
    assert Digest.objects.filter(name="daily").get().ends_at == scene.now - 44 * DAY
    assert Digest.objects.filter(name="due").count() == 2


def test_the_next_digest_begins_where_the_last_one_ended_however_long_ago(scene: Scene) -> None:
    send_digest("monthly", NOON - 30 * DAY, NOON, scene.now)
    scene.clock.step(2 * KEPT)
    prune(scene)

    assert send_digest("monthly", scene.now - 30 * DAY, scene.now, scene.now)
    assert Digest.objects.latest("ends_at").starts_at == NOON


def test_silences_go_when_they_ended_long_ago(scene: Scene) -> None:
    for number in (1, 2):
        silences.silence({"event": "a.*"}, until=NOON + number * DAY, author="x", comment="", now=scene.now)
    scene.clock.step(KEPT + DAY + SECOND)

    prune(scene)

    assert [row.ends_at for row in Silence.objects.all()] == [NOON + 2 * DAY]


def test_no_batch_is_larger_than_it_may_be(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 10)
    alert = an_alert(resolved_at=NOON - 2 * KEPT)
    failures_in_bulk(alert, [{}] * 35)
    left = []

    while tick.prune(scene.now):
        left.append((Occurrence.objects.count(), Alert.objects.count()))

    assert left == [(25, 1), (15, 1), (5, 1), (0, 1), (0, 0)]


def test_a_failure_that_comes_while_its_alert_is_deleted_is_an_alert(scene: Scene) -> None:
    scene.alert(event_id="evt_1")
    scene.deliver()
    scene.recover("evt_1")
    scene.deliver()
    scene.clock.step(KEPT + SECOND)
    pruning.prune(scene.now - KEPT)  # one writer has deleted its share
    alert = scene.alert()
    scene.deliver()

    prune(scene)

    assert Alert.objects.get() == alert
    assert Notification.objects.get().told_seq == 1


def test_a_round_of_tick_prunes(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    an_ended_alert(scene)
    scene.clock.step(KEPT + SECOND)
    seconds = count(1000.0, 2.0)
    monkeypatch.setattr("alerts_runtime.isolation.parts.monotonic", lambda: next(seconds))
    clockwork = Tick(scene.clock)

    for _ in range(5):
        clockwork.step()

    assert not Alert.objects.exists()
