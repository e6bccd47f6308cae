"""Settings change under rows that wait, recipients are set aside and come back: nobody is forgotten."""

from __future__ import annotations

from typing import Any

import pytest

from notifier.channels import memory
from notifier.delivery import own_alerts, tick
from notifier.facts import DeliveryError, Result, Severity
from notifier.models import Alert, Target
from tests.notifier.conftest import Configure
from tests.notifier.scene import HOUR, MINUTE, Scene, refused, row_of, target_row

pytestmark = pytest.mark.django_db
OLD, NEW = "+14155552671", "+14155552672"


def page(*numbers: str, **more: Any) -> dict[str, Any]:
    return {"page": {"BACKEND": "memory", "TO": list(numbers), **more}}


def addresses(sent: list[memory.Sent]) -> list[str]:
    return sorted(one.address for one in sent)


# --- settings that change -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("by_the_courier", [True, False], ids=["as it is judged", "by the tick"])
def test_what_waits_for_a_number_that_was_replaced_goes_to_the_new_one(
    scene: Scene, configure: Configure, *, by_the_courier: bool
) -> None:
    configure(channels=page(OLD), routes={"*": ["page"]})
    alert = scene.alert()
    configure(channels=page(NEW), routes={"*": ["page"]})
    if not by_the_courier:
        tick.hand_over(scene.now)
    sent = scene.deliver() + scene.deliver()

    assert addresses(sent) == [NEW]
    assert row_of(alert, f"page:{NEW}").told_seq == 1
    assert scene.pass_time(HOUR) == []


def test_the_new_number_hears_of_what_is_open_and_the_old_one_never_that_it_is_over(
    scene: Scene, configure: Configure
) -> None:
    configure(channels=page(OLD), routes={"*": ["page"]})
    alert = scene.alert(event_id="evt_open")
    scene.deliver()
    configure(channels=page(NEW), routes={"*": ["page"]})
    tick.hand_over(scene.now)
    [heard] = scene.deliver()
    scene.clock.step(MINUTE)
    scene.recover("evt_open")
    [over] = scene.deliver()

    assert (heard.address, str(heard.message.reason)) == (NEW, "first")
    assert (over.address, str(over.message.reason)) == (NEW, "resolved")
    assert not row_of(alert, f"page:{OLD}").told_resolved


def test_a_channel_that_was_removed_is_followed_by_whom_its_alerts_go_to_now(
    scene: Scene, configure: Configure
) -> None:
    configure(channels=page(OLD), routes={"*": ["page"]})
    scene.alert()
    configure()
    tick.hand_over(scene.now)

    assert addresses(scene.deliver()) == ["chat"]


def test_where_nobody_is_left_the_last_resort_hears(
    scene: Scene, configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    cried: list[str] = []
    monkeypatch.setattr("notifier.outbox.last_resort.not_delivered", lambda alert, why, **_: cried.append(why))
    configure(channels=page(OLD), routes={"*": ["page"]})
    scene.alert()
    configure(routes={"*": []})
    tick.hand_over(scene.now)
    tick.hand_over(scene.now)

    assert cried == ["page: no longer a recipient"]


def test_who_is_named_again_hears_of_the_next(scene: Scene, configure: Configure) -> None:
    configure(channels=page(OLD), routes={"*": ["page"]})
    scene.alert()
    scene.deliver()
    configure(channels=page(NEW), routes={"*": ["page"]})
    tick.hand_over(scene.now)
    scene.deliver()
    configure(channels=page(OLD, NEW), routes={"*": ["page"]})
    scene.clock.step(HOUR)
    scene.fail(will_retry=False)

    assert addresses(scene.pass_time(MINUTE)) == [OLD, NEW]


# --- set aside, and back ------------------------------------------------------------------------------------------

CHAT = {"chat": {"BACKEND": "memory", "TO": ["chat"], "FAILOVER": "other"}, "other": {"BACKEND": "memory"}}


def dead_alerts() -> list[Alert]:
    return list(Alert.objects.filter(source__startswith="delivery.", resolved_at__isnull=True))


def test_a_channel_stays_reported_until_something_arrives_there(scene: Scene, configure: Configure) -> None:
    configure(channels=CHAT, routes={"*": ["chat"]})
    memory.fail_next(refused(dead=True))
    scene.fail()
    scene.deliver("chat", "other")
    own_alerts.tell_of_dead_targets(scene.now)
    [alert] = dead_alerts()
    for _ in range(8):
        scene.clock.step(6 * HOUR)
        tick.resolve_overdue(scene.now)
        own_alerts.tell_of_dead_targets(scene.now)

    assert dead_alerts() == [alert]
    assert alert.count == 1


def test_one_message_in_a_growing_while_tries_a_target_that_was_set_aside(scene: Scene, configure: Configure) -> None:
    configure(channels=CHAT, routes={"*": ["chat"]})
    memory.fail_next(refused(dead=True))
    scene.fail()
    scene.deliver()
    own_alerts.tell_of_dead_targets(scene.now)
    died = target_row().dead_since
    memory.fail_next(*[refused(dead=True)] * 3)
    for _ in range(60):
        scene.fail()
        scene.pass_time(2 * MINUTE)
    own_alerts.tell_of_dead_targets(scene.now)

    assert died is not None
    assert target_row().dead_since is None, "the fourth try arrived"
    assert memory.outbox[-1].address in ("chat", "other")
    assert dead_alerts() == []


def test_what_is_the_channels_trouble_sets_all_of_it_aside_and_is_one_alert(scene: Scene, configure: Configure) -> None:
    three = {"BACKEND": "memory", "TO": ["a", "b", "c"], "FAILOVER": "other"}
    configure(channels={"team": three, "other": {"BACKEND": "memory"}}, routes={"*": ["team"]})
    memory.fail_next(*[DeliveryError(Result.REJECTED, "http_402", "no credit is left", channel_dead=True)] * 3)
    scene.fail()
    sent = scene.deliver()
    own_alerts.tell_of_dead_targets(scene.now)

    assert addresses(sent) == ["other"]
    assert Target.objects.filter(channel="team", dead_since__isnull=False).count() == 3
    [alert] = dead_alerts()
    assert alert.title == "Channel team cannot be used: http_402: no credit is left"


def test_one_refused_address_of_three_is_told_as_that(
    scene: Scene, configure: Configure, mailoutbox: list[Any], settings: Any
) -> None:
    three = {"BACKEND": "memory", "TO": ["ada@shop.example", "bob@shop.example", "cleo@shop.example"]}
    configure(channels={"team": three}, routes={"*": ["team"]})
    memory.fail_next(refused(dead=True))
    scene.alert(will_retry=False)
    sent = scene.deliver()
    own_alerts.tell_of_dead_targets(scene.now)

    assert len(sent) == 2
    [alert] = dead_alerts()
    assert alert.severity == Severity.ERROR
    assert alert.title.startswith("Channel team cannot reach a…@shop.example: ")
    assert "2 of its 3 recipients are still told" in alert.hint
