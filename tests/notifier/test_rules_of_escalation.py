"""What others learnt about escalation, one case a rule: an empty step, a restart, a page after an acknowledgement,
several who must answer, and somebody who was not paged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from notifier.answers.commands import Asker, Command, Verb
from notifier.answers.door import answer
from notifier.config.conf import get_policy
from notifier.delivery import tick
from notifier.models import Alert
from notifier.outbox import set_aside, targets
from tests.notifier.conftest import Configure
from tests.notifier.scene import MINUTE, Scene, refused
from tests.notifier.test_escalation import CHANNELS, live, said

pytestmark = pytest.mark.django_db

PEOPLE: dict[str, Any] = {
    name: {"NAME": name.capitalize(), "ADDRESSES": {"memory": address}}
    for name, address in {"ana": "first", "ben": "second", "cleo": "third", "dan": "boss"}.items()
}
STEPS = [{"after": "10m", "to": ["second"]}, {"after": "25m", "to": ["third", "boss"]}]
Pages = list[tuple[float, str]]


def acknowledge(scene: Scene, alert: Alert, person: str) -> str:
    return answer(Command(Verb.ACKNOWLEDGE, alert.pk), Asker(person, "page"), scene.now).sentence


def pages(scene: Scene, minutes: float) -> Pages:
    return [(at, who) for at, who, why in live(scene, minutes) if why in ("first", "escalated")]


def nobody_is_there(scene: Scene, alert: Alert) -> Pages:
    """10: a step with nobody still waited out its delay."""
    set_aside.set_aside(targets.row_of(get_policy().channels["second"].targets[0]).pk, refused(dead=True), scene.now)
    found = pages(scene, 24)
    assert "reaches nobody, so the next one comes at once" in said(alert)[0][1]
    return found


def the_worker_restarts(scene: Scene, alert: Alert) -> Pages:
    """13: steps were lost when a restart came between."""
    found = pages(scene, 5)
    scene.couriers.clear()  # all that a process remembers
    scene.clock.step(4 * MINUTE)
    return found + pages(scene, 1)


def acknowledged_as_it_is_sent(scene: Scene, alert: Alert) -> Pages:
    """14: pages went on after the acknowledgement."""
    found = pages(scene, 9)
    scene.clock.step(MINUTE)
    tick.escalate(scene.now)
    acknowledge(scene, alert, "Ana")
    return found + pages(scene, 60)


def somebody_who_was_paged_later_acknowledges(scene: Scene, alert: Alert) -> Pages:
    """14: who was added later could not stop the pages."""
    found = pages(scene, 12)
    acknowledge(scene, alert, "Ben")
    return found + pages(scene, 60)


def one_of_two_who_must_answer(scene: Scene, alert: Alert) -> Pages:
    """15: who answered stopped the others' pages, so that nobody dared to."""
    found = pages(scene, 26)
    acknowledge(scene, alert, "Cleo")
    found += pages(scene, 14)
    return found


def somebody_who_was_not_paged(scene: Scene, alert: Alert) -> Pages:
    """17: anybody could stop a page, and nobody saw who it was."""
    found = pages(scene, 5)
    acknowledge(scene, alert, "Dan")
    assert scene.deliver()[0].message.news.startswith("Dan (who was not paged) acknowledged it on its page")
    assert alert.log.get(verb=Verb.ACKNOWLEDGE).uninvited
    return found + pages(scene, 60)


FIRST, SECOND, THIRD, BOSS = (0, "first"), (10, "second"), (25, "third"), (25, "boss")
EACH = [STEPS[0], STEPS[1] | {"each": True}, {"after": "40m", "to": "first"}]


@pytest.mark.parametrize(
    ("happens", "steps", "heard"),
    [
        pytest.param(nobody_is_there, STEPS, [FIRST, (10, "third"), (10, "boss")], id="10"),
        pytest.param(the_worker_restarts, STEPS, [FIRST, SECOND], id="13"),
        pytest.param(acknowledged_as_it_is_sent, STEPS, [FIRST], id="14, in the last moment"),
        pytest.param(somebody_who_was_paged_later_acknowledges, STEPS, [FIRST, SECOND], id="14, by a later one"),
        pytest.param(one_of_two_who_must_answer, EACH, [FIRST, SECOND, THIRD, BOSS, (40, "first")], id="15"),
        pytest.param(somebody_who_was_not_paged, STEPS, [FIRST], id="17"),
    ],
)
def test_a_rule_that_others_learnt(
    configure: Configure,
    happens: Callable[[Scene, Alert], Pages],
    steps: list[dict[str, Any]],
    heard: Pages,
) -> None:
    configure(channels=CHANNELS, people=PEOPLE, routes=[{"name": "page", "to": ["first"], "escalate": steps}])
    scene = Scene()
    alert = scene.alert()
    assert happens(scene, alert) == heard


def test_who_was_paged_is_not_said_to_be_uninvited(configure: Configure) -> None:
    configure(channels=CHANNELS, people=PEOPLE, routes=[{"to": ["first"]}])
    scene = Scene()
    alert = scene.alert()
    scene.deliver()
    acknowledge(scene, alert, "Ana")
    assert not alert.log.get().uninvited


def test_nobody_is_uninvited_where_a_channel_that_many_read_was_told(configure: Configure) -> None:
    configure(channels=CHANNELS, routes=[{"to": ["first"]}])
    scene = Scene()
    alert = scene.alert()
    scene.deliver()
    acknowledge(scene, alert, "Dan")
    assert not alert.log.get().uninvited
