"""Leases on targets while wall clocks are stepped: nobody living loses one, nobody dead keeps one."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest

import alerts_runtime.leasing.clock
import alerts_runtime.leasing.leases
from notifier.channels import memory
from notifier.delivery import courier, loops
from notifier.delivery.courier import Courier
from notifier.models import Attempt
from notifier.outbox import settle, targets
from tests.notifier.scene import HOUR, MINUTE, SECOND, Clock, Scene, reasons, row_of, target_row

pytestmark = pytest.mark.django_db

LEASE = int(targets.LEASE.total_seconds())


class Machine:
    """A worker with a wall clock of its own, whose calls to the provider end when the test says so."""

    def __init__(self, scene: Scene, monkeypatch: pytest.MonkeyPatch, ahead_by: int = 0) -> None:
        self.clock = Clock(scene.now + ahead_by * HOUR)
        self.calls: list[Callable[[], None]] = []
        self.courier = Courier("chat", now=self.clock, start=lambda _, run: self.calls.append(run))
        self.courier._connect().deadline = float("inf")  # a send takes as long as the test wants
        self._seen = alerts_runtime.leasing.leases.Seen[tuple[int, str, object]]()
        self._monkeypatch = monkeypatch

    def step(self) -> None:
        self.courier.step()

    def tick(self) -> int:
        self._monkeypatch.setattr(targets, "_seen", self._seen)
        return settle.settle_lost(self.clock())

    def answer(self) -> None:
        while self.calls:
            self.calls.pop()()
        self.step()


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The monotonic clock that all machines share."""
    found = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(alerts_runtime.leasing.leases, "monotonic", lambda: found.now)
    monkeypatch.setattr(courier, "time", SimpleNamespace(monotonic=lambda: found.now))
    return found


def run(seconds: SimpleNamespace, number: int, *machines: Machine) -> int:
    """So many seconds in which these machines work; how many tries they settled."""
    settled = 0
    for _ in range(number):
        seconds.now += 1
        for machine in machines:
            machine.clock.step(SECOND)
            machine.step()
            settled += machine.tick()
    return settled


def test_a_machine_whose_clock_is_ahead_takes_no_living_lease(
    scene: Scene, seconds: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    alert = scene.alert()
    holder, ahead = Machine(scene, monkeypatch), Machine(scene, monkeypatch, ahead_by=1)
    holder.step()
    scene.fail(event_type="another")  # so that there is something due that the other could send

    assert run(seconds, 3 * LEASE, holder, ahead) == 0
    assert ahead.calls == []
    holder.answer()
    assert reasons(memory.outbox) == ["first", "first"]
    assert not any(sent.message.possible_repeat for sent in memory.outbox)
    assert row_of(alert).told_seq == 1


@pytest.mark.parametrize("by", [1, -1])
def test_a_clock_that_is_stepped_ends_no_lease_of_its_own(
    scene: Scene, seconds: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, by: int
) -> None:
    scene.alert()
    machine = Machine(scene, monkeypatch)
    machine.step()
    run(seconds, 5, machine)
    machine.clock.step(by * HOUR)

    assert run(seconds, 3 * LEASE, machine) == 0
    machine.answer()
    assert [attempt.result for attempt in Attempt.objects.all()] == ["delivered"]


@pytest.mark.parametrize("ahead_by", [0, 1])
def test_the_lease_of_a_dead_worker_ends_whatever_its_clock_said(
    scene: Scene, seconds: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, ahead_by: int
) -> None:
    scene.alert()
    Machine(scene, monkeypatch, ahead_by).step()
    successor = Machine(scene, monkeypatch)
    lease_until = target_row().lease_until
    assert lease_until is not None
    assert (lease_until > scene.now + MINUTE) == bool(ahead_by)

    assert run(seconds, LEASE + 1, successor) == 1
    run(seconds, 60, successor)
    successor.answer()
    [sent] = memory.outbox
    assert sent.message.possible_repeat


def test_a_worker_that_was_stopped_has_seen_nothing_meanwhile(
    scene: Scene, seconds: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole machine was: its workers wake up together, and whoever holds a lease renews it."""
    scene.alert()
    holder, other = Machine(scene, monkeypatch), Machine(scene, monkeypatch)
    holder.step()
    run(seconds, 5, holder, other)
    seconds.now += 600
    for machine in (holder, other):
        machine.clock.step(10 * MINUTE)

    assert other.tick() == 0
    assert run(seconds, 60, holder, other) == 0
    holder.answer()
    assert [attempt.result for attempt in Attempt.objects.all()] == ["delivered"]


def test_a_lease_that_ran_out_while_nobody_worked_is_freed_within_seconds(
    scene: Scene, seconds: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.alert()
    Machine(scene, monkeypatch).step()
    scene.clock.step(HOUR)
    successor = Machine(scene, monkeypatch)

    assert run(seconds, int(targets.PATIENCE), successor) == 0
    assert run(seconds, 2, successor) == 1


def test_what_was_planned_before_the_clock_stepped_back_is_not_late_by_as_much(
    scene: Scene, seconds: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerts_runtime.leasing.clock, "monotonic", lambda: seconds.now)
    tick = loops.Tick(now=scene.clock)
    scene.clock.step(HOUR)
    tick._mind_the_clock(scene.now)
    alert = scene.alert()
    targets.hold(row_of(alert).target_id, "", scene.now + MINUTE, "throttle")
    seconds.now += 1
    scene.clock.step(SECOND - HOUR)
    assert scene.deliver() == []

    tick._mind_the_clock(scene.now)
    assert row_of(alert).due_at == scene.now
    tick._mind_the_clock(scene.now)
    assert reasons(scene.pass_time(MINUTE, SECOND)) == ["first"]
