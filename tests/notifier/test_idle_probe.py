"""A recipient that was set aside is tried by itself, with a growing pause, also when no message waits for it."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest

from notifier.channels import memory
from notifier.delivery import own_alerts
from notifier.delivery.idle_probe import try_dead
from notifier.models import Alert
from notifier.outbox import set_aside
from tests.notifier.conftest import Configure
from tests.notifier.scene import MINUTE, Scene, at_once, refused, target_row

pytestmark = pytest.mark.django_db(transaction=True)

DAY = timedelta(days=1)


@pytest.fixture
def dead(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """A recipient that was told, and set aside afterwards; what was open is over, so that nothing is due."""
    monkeypatch.setattr("notifier.delivery.probe.clock.now", scene.clock)
    alert = scene.alert(event_id="evt_1")
    scene.deliver()
    scene.recover("evt_1")
    scene.deliver()
    alert.refresh_from_db()
    assert alert.resolved_at
    set_aside.set_aside(target_row().pk, refused(dead=True), scene.now)
    own_alerts.tell_of_dead_targets(scene.now)
    memory.outbox.clear()
    return scene


def tries_within(scene: Scene, span: timedelta, step: timedelta = MINUTE) -> list[timedelta]:
    """When a test message went out, counted from now."""
    began, found = scene.now, list[timedelta]()
    while scene.now - began < span:
        known = target_row().probe_at
        try_dead(scene.clock.step(step), at_once)
        if target_row().probe_at != known:
            found.append(scene.now - began)
    return found


def its_alert() -> Alert:
    return Alert.objects.get(source=f"delivery.{target_row().pk}")


def test_it_is_used_again_when_a_try_arrives_and_its_alert_ends(dead: Scene) -> None:
    assert tries_within(dead, timedelta(minutes=7)) == [timedelta(minutes=6)]
    assert target_row().dead_since is None
    assert its_alert().resolved_how == "a test message arrived"


def test_while_it_is_away_the_pauses_grow_and_never_end(dead: Scene) -> None:
    memory.fail_next(*[refused(dead=True)] * 50)
    found = tries_within(dead, 3 * DAY, step=10 * MINUTE)
    pauses = [after - before for before, after in pairwise(found)]
    assert found[0] == timedelta(minutes=10)
    assert pauses == sorted(pauses)
    assert max(pauses) <= set_aside.LONGEST_PROBE + timedelta(minutes=20)
    assert 8 <= len(found) <= 20
    assert its_alert().resolved_at is None


def test_one_of_each_channel_shows_whether_the_channel_works(dead: Scene, configure: Configure) -> None:
    configure(channels={"chat": {"BACKEND": "memory", "TO": ["chat", "other"]}}, routes={"*": "chat"})
    dead.alert(event_id="evt_2")
    assert not target_row("chat:other").dead_since
    set_aside.set_aside(target_row("chat:other").pk, refused(dead=True), dead.now)
    assert tries_within(dead, timedelta(minutes=6)) == [timedelta(minutes=6)]


def test_who_is_no_longer_named_is_not_tried(dead: Scene, configure: Configure) -> None:
    configure(channels={"chat": {"BACKEND": "memory", "TO": "elsewhere"}}, routes={"*": "chat"})
    assert tries_within(dead, DAY, step=60 * MINUTE) == []
