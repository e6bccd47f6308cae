"""Two answers that tell nobody: ignore this kind for good, and rehearse a replay."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from django.db import connection

from notifier.answers.commands import Answer, Asker, Command, Verb
from notifier.answers.door import answer
from notifier.facts import Frame
from notifier.models import Alert, Ignored
from tests.notifier.scene import Scene
from tests.webhooks.stripe_side import deliver
from webhooks import handlers, samples
from webhooks.events import StripeEvent
from webhooks.handlers import on
from webhooks.models import WebhookEvent

pytestmark = pytest.mark.django_db
ANA, BEN = Asker("Ana", "page"), Asker("Ben", "slack", "U0123456")
HERE = Frame("tests/notifier/scene.py", 1, "tests.notifier.scene", "drain")


@pytest.fixture(autouse=True)
def _no_handlers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(handlers, "_handlers", [])
    handlers._matching.cache_clear()
    yield
    handlers._matching.cache_clear()


def say(scene: Scene, alert: Alert, verb: Verb, asker: Asker = ANA, text: str = "") -> Answer:
    return answer(Command(verb, alert.pk, text=text), asker, scene.now)


def test_ignoring_says_until_when_and_whoever_comes_second_hears_of_it(scene: Scene) -> None:
    alert = scene.alert(frame=HERE)
    until = "until tests.notifier.scene.drain changes"
    first = say(scene, alert, Verb.IGNORE, text="known at the provider")
    assert first == Answer(True, f"Alert {alert.pk}: nobody is told of its kind any more, {until}.")
    again = say(scene, alert, Verb.IGNORE, BEN)
    assert again == Answer(False, f"Alert {alert.pk}: its kind is ignored by Ana already, {until}.")
    assert Ignored.objects.get().comment == "known at the provider"
    assert not scene.deliver()


def test_a_rehearsal_says_what_a_replay_would_come_to_and_tells_nobody(scene: Scene) -> None:
    @on("*")
    def handle(event: StripeEvent) -> None:
        raise KeyError("plan")

    event = samples.snapshot("invoice.paid")
    assert deliver(json.dumps(event)).status_code == 200
    WebhookEvent.objects.update(state="dead", attempts=4, due_at=None)
    alert = scene.alert(event_id=event["id"])
    scene.deliver()
    where = f"tests/notifier/answers/test_ignore_and_rehearse.py:{handle.__code__.co_firstlineno + 2}"
    said = say(scene, alert, Verb.REHEARSE)
    assert said == Answer(True, f"Alert {alert.pk}: None of 1 would pass, 1 fails with KeyError in {where}.")
    assert WebhookEvent.objects.get().state == "dead"
    assert not scene.deliver()


@pytest.mark.django_db(transaction=True)
def test_the_alert_is_not_locked_while_it_is_rehearsed(scene: Scene) -> None:
    """On SQLite that would be everybody's lock."""
    blocks: list[int] = []

    @on("*")
    def handle(event: StripeEvent) -> None:
        blocks.append(len(connection.atomic_blocks))

    event = samples.snapshot("invoice.paid")
    assert deliver(json.dumps(event)).status_code == 200
    assert say(scene, scene.alert(event_id=event["id"]), Verb.REHEARSE).changed
    assert blocks == [1]  # its own


def test_there_is_nothing_to_rehearse(scene: Scene) -> None:
    alert = scene.alert(event_id="")
    said = say(scene, alert, Verb.REHEARSE)
    assert said == Answer(False, f"Alert {alert.pk}: it has no event that waits to be processed.")
