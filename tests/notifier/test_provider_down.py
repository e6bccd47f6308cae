"""A provider that is away is tried by one message at a time, however many wait, and none of them is forgotten."""

from __future__ import annotations

import pytest

from notifier.channels import memory
from notifier.facts import DeliveryError, Message, Receipt
from notifier.models import Attempt, Notification
from notifier.outbox import targets
from tests.notifier.conftest import Configure
from tests.notifier.scene import MINUTE, SECOND, Scene, busy, reasons, refused, target_row, unsure

pytestmark = pytest.mark.django_db

ALERTS = 40


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> list[DeliveryError]:
    """While there is an error in the list, every send ends with it."""
    errors: list[DeliveryError] = []
    send = memory.Memory.send

    def send_or_not(channel: memory.Memory, address: str, message: Message) -> Receipt:
        if errors:
            raise errors[-1]
        return send(channel, address, message)

    monkeypatch.setattr(memory.Memory, "send", send_or_not)
    return errors


def _fail(scene: Scene) -> None:
    for number in range(ALERTS):
        scene.fail(event_type=f"type.{number}")


@pytest.mark.parametrize("error", [busy(), unsure()], ids=["refuses", "does not answer"])
def test_many_waiting_messages_are_not_many_tries(
    scene: Scene, away: list[DeliveryError], error: DeliveryError
) -> None:
    away.append(error)
    _fail(scene)
    assert scene.pass_time(10 * MINUTE, SECOND) == []
    assert Attempt.objects.count() < ALERTS + 30
    tried = Attempt.objects.filter(started_at__gt=scene.now - 5 * MINUTE).count()
    assert 8 <= tried <= 12, "one in half a minute"

    away.clear()
    told = scene.pass_time(6 * MINUTE, SECOND)
    assert reasons(told) == ["first"] * ALERTS
    assert target_row().waits_for == ""


def test_what_one_message_is_refused_for_holds_no_other(scene: Scene, away: list[DeliveryError]) -> None:
    away.append(refused())
    _fail(scene)
    scene.deliver()
    assert Attempt.objects.count() == ALERTS


def test_what_a_provider_asks_for_is_waited_for_although_an_earlier_call_arrives(
    scene: Scene, away: list[DeliveryError]
) -> None:
    away.append(busy(retry_after=120))
    scene.fail(event_type="a")
    scene.fail(event_type="b")
    scene.deliver()
    until = target_row().next_at
    assert until == scene.now + 2 * MINUTE
    targets.arrived([target_row().pk], scene.now)
    assert target_row().next_at == until


def test_what_was_never_tried_fails_over_as_well(scene: Scene, configure: Configure, away: list[DeliveryError]) -> None:
    configure(
        channels={
            "chat": {"BACKEND": "memory", "FAILOVER": "page", "FAILOVER_AFTER": "5m"},
            "page": {"BACKEND": "memory"},
        }
    )
    away.append(busy())
    _fail(scene)
    scene.pass_time(4 * MINUTE, 10 * SECOND)
    assert not Notification.objects.filter(target__channel="page").exists()
    scene.pass_time(7 * MINUTE, 10 * SECOND)  # those that were tried are looked at when their next try is due
    assert Notification.objects.filter(target__channel="page").count() == ALERTS
