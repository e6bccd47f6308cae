"""Leases on targets while wall clocks are stepped: nobody living loses one, nobody dead keeps one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.db import connection
from django.utils import timezone

import alerts_runtime.leasing.clock
from alerts_runtime.leasing import clock, holders
from alerts_runtime.leasing.holders import BEATS, Beat
from notifier.channels import memory
from notifier.delivery.courier import Courier
from notifier.delivery.tick import Tick
from notifier.flow import pipeline
from notifier.models import Attempt, Notification
from notifier.outbox import settle, targets
from tests.notifier.conftest import Configure
from tests.notifier.scene import HOUR, MINUTE, SECOND, Clock, Scene, a_failure, at_once, drain, reasons, row_of

pytestmark = pytest.mark.django_db


class Machine:
    """A worker with a name and a wall clock of its own, whose calls to the provider end when the test says so."""

    def __init__(self, scene: Scene, monkeypatch: pytest.MonkeyPatch, ahead_by: int = 0) -> None:
        self.clock = Clock(scene.now + ahead_by * HOUR)
        self.calls: list[Callable[[], None]] = []
        self.courier = Courier("chat", now=self.clock, start=lambda _, run: self.calls.append(run))
        self.courier._connect().deadline = float("inf")  # a send takes as long as the test wants
        self.holder = Beat()
        self._monkeypatch = monkeypatch

    def step(self) -> int:
        """One of its beats, and what it does meanwhile; how many tries it settled."""
        self._monkeypatch.setattr(holders, "_mine", self.holder)
        self.clock.step(SECOND)
        self.holder.beat()
        self.courier.step()
        return settle.settle_lost(self.clock())

    def answer(self) -> None:
        while self.calls:
            self.calls.pop()()
        self.step()


def run(number: int, *machines: Machine) -> int:
    """So many beats of these machines; how many tries they settled."""
    return sum(machine.step() for _ in range(number) for machine in machines)


def test_a_machine_whose_clock_is_ahead_takes_no_living_lease(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    alert = scene.alert()
    holder, ahead = Machine(scene, monkeypatch), Machine(scene, monkeypatch, ahead_by=1)
    holder.step()
    scene.fail(event_type="another")  # so that there is something due that the other could send

    assert run(4 * BEATS, holder, ahead) == 0
    assert ahead.calls == []
    holder.answer()
    assert reasons(memory.outbox) == ["first", "first"]
    assert not any(sent.message.possible_repeat for sent in memory.outbox)
    assert row_of(alert).told_seq == 1


@pytest.mark.parametrize("by", [1, -1])
def test_a_clock_that_is_stepped_ends_no_lease(scene: Scene, monkeypatch: pytest.MonkeyPatch, by: int) -> None:
    scene.alert()
    machine, other = Machine(scene, monkeypatch), Machine(scene, monkeypatch)
    run(5, machine, other)
    machine.clock.step(by * HOUR)

    assert run(4 * BEATS, machine, other) == 0
    machine.answer()
    assert [attempt.result for attempt in Attempt.objects.all()] == ["delivered"]


@pytest.mark.parametrize("ahead_by", [0, 1])
def test_the_lease_of_a_dead_worker_ends_whatever_its_clock_said(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, ahead_by: int
) -> None:
    scene.alert()
    Machine(scene, monkeypatch, ahead_by).step()
    successor = Machine(scene, monkeypatch)

    assert run(BEATS, successor) == 0
    assert run(1, successor) == 1
    run(60, successor)
    successor.answer()
    [sent] = memory.outbox
    assert sent.message.possible_repeat


def test_what_was_planned_before_the_clock_stepped_back_is_not_late_by_as_much(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(alerts_runtime.leasing.clock, "monotonic", lambda: seconds.now)
    tick = Tick(now=scene.clock)
    scene.clock.step(HOUR)
    tick._mind_the_clock(scene.now)
    alert = scene.alert()
    targets.wait_for_rate(row_of(alert).target_id, "", scene.now + MINUTE, "1 in 0:01:00")
    seconds.now += 1
    scene.clock.step(SECOND - HOUR)
    assert scene.deliver() == []

    tick._mind_the_clock(scene.now)
    assert row_of(alert).due_at == scene.now
    tick._mind_the_clock(scene.now)
    assert reasons(scene.pass_time(MINUTE, SECOND)) == ["first"]


@pytest.mark.usefixtures("servers_clock")
@pytest.mark.skipif(connection.vendor != "postgresql", reason="a file is used on one machine")
@pytest.mark.parametrize("off", [10 * MINUTE, -10 * MINUTE])
def test_a_worker_whose_clock_is_off_sends_neither_early_nor_late(
    configure: Configure, monkeypatch: pytest.MonkeyPatch, off: timedelta
) -> None:
    configure()
    right = timezone.now
    monkeypatch.setattr(timezone, "now", lambda: right() + off)
    holders.Beat().beat()
    courier = Courier("chat", start=at_once)
    assert pipeline.failed(a_failure(clock.now()), clock.now())
    drain(courier)
    assert len(memory.outbox) == 1  # at once, whichever machine wrote it down

    assert pipeline.failed(a_failure(clock.now(), event_type="invoice.voided"), clock.now())
    Notification.objects.filter(told_seq=0).update(due_at=right() + 5 * MINUTE)
    drain(courier)
    assert len(memory.outbox) == 1
