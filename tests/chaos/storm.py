"""The random version: while a load runs, processes die or stop and providers fail, by a schedule that a seed decides.

In the end everything is healed, and what was accepted is compared with what was handled, alerted and received.
"""

from __future__ import annotations

import contextlib
import copy
import os
import random
import signal
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from tests.acceptance.site import event, free_port
from tests.chaos.audit import Count, audit
from tests.chaos.machine import Machine
from tests.chaos.matrix import channels_of
from tests.chaos.providers import Remembers, everything_told

EVENTS_PER_SECOND = 4.0
FAULT_EVERY = (0.7, 2.0)  # seconds
BEHAVIOURS = {"fine": 10, "bug": 3, "database": 2, "stripe-down": 2, "sleep:1": 2, "sleep-locked:0.3": 1}
KINDS = tuple(f"{route}.{what}" for route in ("all", "slack", "mute") for what in ("paid", "failed"))
HEAL_WITHIN = 90.0
# What a provider may do with its next requests. Whatever it takes although its answer is lost cannot be known.
ILLS: dict[str, dict[str, Any]] = {
    "429": {"status": 429, "headers": {"Retry-After": "2"}},
    "500": {"status": 500},
    "reset": {"broken": "reset"},
    "reset, taken": {"broken": "reset", "taken": True},
    "no answer, taken": {"broken": "closed", "taken": True},
    "slow": {"delay": 4.0},
    "garbage": {"broken": "garbage"},
}


@dataclass(frozen=True)
class Fault:
    at: float  # seconds after the start
    what: str  # kill, stop, or one of ILLS
    whom: int  # the process's place, or the provider's
    much: float  # seconds that it stops, or how many requests


@dataclass(frozen=True)
class Post:
    at: float
    kind: str
    behaviour: str


@dataclass
class Storm:
    """How it went."""

    stack: str
    seed: int
    seconds: float
    accepted: int = 0
    posts: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    messages: int = 0
    recovered_in: float = 0.0
    count: Count = field(default_factory=Count)
    fault: str = ""

    @property
    def broken(self) -> list[str]:
        count = self.count
        found = [self.fault] if self.fault else []
        promises = {
            "events lost": count.events_lost,
            "effects doubled": count.effects_doubled,
            "alerts lost": count.alerts_lost,
            "repeats not marked": count.unmarked,
        }
        found += [f"{what}: {number}" for what, number in promises.items() if number]
        return found + (count.notes if found else [])


def schedule(seed: int, seconds: float, places: int) -> list[Fault]:
    """The same for the same seed."""
    chance = random.Random(f"{seed} faults")  # noqa: S311 - repeatable, not secret
    faults, at = [], 0.0
    while (at := at + chance.uniform(*FAULT_EVERY)) < seconds:
        [what] = chance.choices(["kill", "stop", chance.choice(list(ILLS))], [9, 3, 8])
        if what == "kill":
            faults.append(Fault(at, what, chance.randrange(places), 0))
        elif what == "stop":
            faults.append(Fault(at, what, chance.randrange(places), round(chance.uniform(0.5, 6), 1)))
        else:
            faults.append(Fault(at, what, chance.randrange(3), chance.randint(1, 3)))
    return faults


def load(seed: int, seconds: float) -> list[Post]:
    chance = random.Random(f"{seed} load")  # noqa: S311 - as above
    posts, at = [], 0.0
    while (at := at + chance.expovariate(EVENTS_PER_SECOND)) < seconds:
        [behaviour] = chance.choices(list(BEHAVIOURS), list(BEHAVIOURS.values()))
        posts.append(Post(at, chance.choice(KINDS), behaviour))
    return posts


def run(machine: Machine, stack: str, seed: int, seconds: float) -> Storm:
    """Two web processes, two workers, and what the seed has for them."""
    storm = Storm(stack, seed, seconds)
    doors = list(_doors(machine))
    for _ in range(2):
        machine.start_worker()
    weather = _Weather(machine, schedule(seed, seconds, len(machine.services())))
    began = time.monotonic()
    with ThreadPoolExecutor(8) as stripe:
        deliveries = _Deliveries(doors, began + seconds + HEAL_WITHIN)
        under_way: list[Future[None]] = []
        for post in load(seed, seconds):
            while time.monotonic() < began + post.at:
                weather.step(time.monotonic() - began)
                time.sleep(0.02)
            under_way.append(stripe.submit(deliveries.make, event(post.kind, behaviour=post.behaviour)))
        weather.clear()
        while not all(future.done() for future in under_way):
            machine.revive(wait=False)
            time.sleep(0.05)
    for future in under_way:
        future.result()
    healed_at = time.monotonic()
    machine.mended.touch()
    left = _heal(machine)
    storm.recovered_in = round(time.monotonic() - healed_at, 1)
    storm.fault = f"not over: {left}" if left else ""
    storm.accepted, storm.posts, storm.faults = len(deliveries.accepted), deliveries.posts, weather.done
    told = everything_told(machine.providers)
    storm.messages = len(told)
    storm.count = audit(machine, deliveries.accepted, told, channels_of)
    return storm


def _doors(machine: Machine) -> Iterator[Machine]:
    """The site behind two ports, as a balancer would reach it."""
    for _ in range(2):
        machine.port = free_port()
        machine.start_web()
        yield copy.copy(machine)


class _Deliveries:
    """Stripe: posts until the answer is 200, now here, now there."""

    def __init__(self, doors: list[Machine], until: float) -> None:
        self._doors, self._until = doors, until
        self.accepted: list[str] = []
        self.posts = 0

    def make(self, body: dict[str, Any]) -> None:
        while time.monotonic() < self._until:
            self.posts += 1
            if self._doors[self.posts % 2].post_once(body) == 200:
                self.accepted.append(body["id"])
                return
            time.sleep(0.2)


class _Weather:
    """Makes the scheduled faults happen, and starts again what died."""

    def __init__(self, machine: Machine, faults: list[Fault]) -> None:
        self._machine = machine
        self._coming = faults
        self._stopped: list[tuple[float, int]] = []
        self._revive_at = 0.0
        self.done: dict[str, int] = {}

    def step(self, now: float) -> None:
        while self._coming and self._coming[0].at <= now:
            self._happen(self._coming.pop(0), now)
        for until, pid in list(self._stopped):
            if now >= until:
                self._stopped.remove((until, pid))
                _signal(pid, signal.SIGCONT)
        if now >= self._revive_at:
            self._revive_at = now + 0.3
            self._machine.revive(wait=False)

    def clear(self) -> None:
        for _, pid in self._stopped:
            _signal(pid, signal.SIGCONT)
        for fake in self._fakes():
            fake.heal()

    def _happen(self, fault: Fault, now: float) -> None:
        self.done[fault.what] = self.done.get(fault.what, 0) + 1
        if fault.what in ILLS:
            self._fakes()[fault.whom].script(*[ILLS[fault.what]] * int(fault.much))
            return
        pid = self._machine.services()[fault.whom].pid
        if fault.what == "kill":
            _signal(pid, signal.SIGKILL)
        else:
            _signal(pid, signal.SIGSTOP)
            self._stopped.append((now + fault.much, pid))

    def _fakes(self) -> list[Remembers]:
        providers = self._machine.providers
        return [one for one in (providers.slack, providers.twilio, providers.esp) if isinstance(one, Remembers)]


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, number)


def _heal(machine: Machine) -> dict[str, int]:
    """Let come now what is planned for later, until nothing is left; what is left when that takes too long."""
    end = time.monotonic() + HEAL_WITHIN
    while time.monotonic() < end:
        machine.execute(
            f"UPDATE swa_webhooks_webhookevent SET due_at = {machine.ago(seconds=1)}"
            f" WHERE state = 'pending' AND due_at > {machine.ago(seconds=-1)}"
        )
        machine.execute(
            f"UPDATE swa_notifier_notification SET due_at = {machine.ago(seconds=1)}"
            f" WHERE tries > 0 AND sending_id IS NULL AND due_at > {machine.ago(seconds=-1)}"
        )
        left = machine.settle(within=3.0) or _untold(machine)
        if not left:
            return {}
    return left


def _untold(machine: Machine) -> dict[str, int]:
    planned = machine.value("SELECT count(*) FROM swa_notifier_notification WHERE due_at IS NOT NULL")
    return {"messages planned": planned} if planned else {}
