"""Steps of escalation whose channels name rotations: who is on call is decided when the step comes, and again when
its page is sent."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from notifier.answers.commands import Asker, Command, Verb
from notifier.answers.door import answer
from notifier.config.conf import get_policy
from notifier.delivery import tick
from notifier.models import Alert
from notifier.oncall import overrides
from tests.notifier.conftest import Configure
from tests.notifier.oncall.rotations import utc
from tests.notifier.oncall.test_coverage import SMS
from tests.notifier.oncall.test_on_call_hears import ALICE, BOB, CAROL, DAILY, PEOPLE
from tests.notifier.scene import HOUR, MINUTE, Scene
from tests.notifier.test_escalation import live, said

pytestmark = pytest.mark.django_db

# Alice has the first day, bob the second. The second line is carol's, and nobody's at night.
SECOND: dict[str, Any] = DAILY | {"MEMBERS": ["carol"], "HOURS": "08:00-20:00"}
CHANNELS: dict[str, Any] = {
    "page": {"BACKEND": "memory", "TO": {"oncall": "payments"}},
    "second": {"BACKEND": "memory", "TO": {"oncall": "second"}},
    "boss": {"BACKEND": "memory"},
}
PEOPLE_ON = {
    name: {"NAME": name.capitalize(), "ADDRESSES": {"memory": entry["ADDRESSES"]["page"]}}
    for name, entry in PEOPLE.items()
}
STEPS = [{"after": "10m", "to": "second"}, {"after": "20m", "to": ["page", "boss"]}]


@pytest.fixture
def site(configure: Configure) -> Scene:
    configure(
        people=PEOPLE_ON,
        oncall={"payments": DAILY, "second": SECOND},
        channels=CHANNELS,
        routes=[{"name": "page", "to": ["page"], "escalate": STEPS}],
    )
    scene = Scene()
    scene.clock.step(MINUTE)
    return scene


def pages(scene: Scene, minutes: float) -> list[tuple[str, str]]:
    return [(who, why) for _, who, why in live(scene, minutes) if why in ("first", "escalated")]


def by(scene: Scene, alert: Alert, person: str, lasting: timedelta = 8 * HOUR) -> None:
    assert answer(Command(Verb.ACKNOWLEDGE, alert.pk, lasting), Asker(person, "page"), scene.now).changed


def test_who_is_on_call_when_the_step_comes_is_paged(site: Scene) -> None:
    site.clock.at = utc("2026-11-24 11:45")
    site.alert()
    assert pages(site, 9) == [(ALICE, "first")]
    # Bob has it from noon on.
    assert pages(site, 12) == [(CAROL, "escalated"), (BOB, "escalated"), ("boss", "escalated")]


def test_an_empty_rotation_is_a_step_without_anybody(site: Scene) -> None:
    """Rule 10, as it was met: nobody was on call, and the step still waited."""
    site.clock.at = utc("2026-11-23 21:00")
    alert = site.alert()
    assert pages(site, 10) == [(ALICE, "first"), (ALICE, "escalated"), ("boss", "escalated")]
    assert said(alert)[0][1] == (
        "Step 1 of 2 reaches nobody, so the next one comes at once (second: nobody is on call in second)"
    )


def test_somebody_on_call_without_an_address_is_a_step_without_anybody(site: Scene, configure: Configure) -> None:
    """Rule 11, missing addresses: to say that nobody was on call would send people to the wrong setting."""
    configure(
        people=PEOPLE_ON,
        oncall={"payments": DAILY, "second": SECOND},
        channels=CHANNELS | {"second": SMS | {"TO": {"oncall": "second"}}},
        routes=[{"name": "page", "to": ["page"], "escalate": STEPS}],
    )
    alert = site.alert()
    assert pages(site, 10) == [(ALICE, "first"), (ALICE, "escalated"), ("boss", "escalated")]
    assert said(alert)[0][1] == (
        "Step 1 of 2 reaches nobody, so the next one comes at once (second: Carol on call, without an address here)"
    )


def test_a_page_that_waited_over_a_handover_goes_to_who_is_on_call_by_then(site: Scene) -> None:
    site.clock.at = utc("2026-11-24 11:30")
    alert = site.alert()
    live(site, 19)
    by(site, alert, "Alice", HOUR)
    live(site, 58)
    # It ends at 12:49, and the minute that was left of the step's time goes on.
    assert pages(site, 5) == [(BOB, "escalated"), ("boss", "escalated")]


def test_a_page_held_over_a_handover_is_not_the_one_s_before(site: Scene) -> None:
    site.clock.at = utc("2026-11-24 11:30")
    alert = site.alert()
    live(site, 19.5)
    site.clock.at = utc("2026-11-24 11:50")
    tick.escalate(site.now)  # alice's page is planned, and not yet sent
    by(site, alert, "Carol", HOUR)
    heard = pages(site, 61)
    assert (ALICE, "escalated") not in heard
    assert (BOB, "escalated") in heard


def test_an_override_is_honoured(site: Scene) -> None:
    policy, end = get_policy(), site.now + 2 * HOUR
    overrides.take(
        policy.rotations["payments"], policy.people["carol"], start=site.now, end=end, author="carol", now=site.now
    )
    site.alert()
    assert pages(site, 0) == [(CAROL, "first")]


def test_who_is_on_call_answers_for_a_step_that_asks_each(site: Scene, configure: Configure) -> None:
    steps = [{"after": "10m", "to": ["page", "second"], "each": True}, {"after": "20m", "to": "boss"}]
    configure(
        people=PEOPLE_ON,
        oncall={"payments": DAILY, "second": SECOND},
        channels=CHANNELS,
        routes=[{"name": "page", "to": [], "escalate": steps}],
    )
    alert = site.alert()
    live(site, 12)
    by(site, alert, "Alice")
    by(site, alert, "Carol")
    assert pages(site, 30) == []
    assert not alert.log.filter(uninvited=True).exists()


def test_who_was_not_on_call_is_not_said_to_have_been_paged(site: Scene) -> None:
    alert = site.alert()
    live(site, 1)
    by(site, alert, "Bob")
    assert alert.log.get(verb=Verb.ACKNOWLEDGE).uninvited
