"""The crash matrix: each row kills one process at one point of one site, and counts what came of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from tests.acceptance.site import event, eventually
from tests.chaos.answering import acknowledge, answers
from tests.chaos.audit import Count, audit, digests
from tests.chaos.handing_over import handed_over, take_over
from tests.chaos.machine import Machine
from tests.chaos.providers import everything_told

WEB, WORK, TICK = "web", "work", "tick"
# Who is told, by how the event's type begins: the routes of tests.chaos.settings.
CHANNELS: dict[str, tuple[str, ...]] = {
    "slack": ("slack",),
    "mute": ("mute",),
    "sms": ("oncall",),
    "email": ("team",),
    "steps": ("slack", "team"),
    "duty": ("duty",),
    "all": ("slack", "mute", "oncall", "team"),
}
DEATH_WITHIN = 20.0
TOLD = (
    "SELECT count(*) FROM swa_notifier_notification n JOIN swa_notifier_alert a ON a.id = n.alert_id WHERE n.sent > 0"
)


@dataclass(frozen=True)
class Row:
    """What is killed where, while which channel is told. `first` comes before, so that `point` is met in recovering."""

    title: str
    point: str
    kind: str = WORK
    route: str = "slack"
    first: str = ""
    repeats: int = 0  # the provider had answered and cannot be asked
    recovers: bool = False  # the kill comes when a failed event is processed after all
    digest: bool = False
    answer: bool = False  # the kill comes when somebody answers by SMS
    handover: bool = False  # the kill comes when somebody takes a rotation over


ROWS = (
    Row("after the event's INSERT", "event stored", WEB),
    Row("after the claim of an event", "event claimed"),
    Row("inside a handler", "handler wrote"),
    Row("before its commit", "before the commit"),
    Row("after its commit, its recovery not noticed", "after the commit", recovers=True),
    Row("before the receiver", "failure committed"),
    Row("in the receiver", "failure counted"),
    Row("after the outbox insert, before its commit", "outbox inserted"),
    Row("after the outbox insert and its commit", "outbox committed"),
    Row("after the claim of a notification", "target claimed"),
    Row("after the try was written down", "try written down"),
    Row("while the request is written", "half a request"),
    Row("after Slack's 200, history readable", "Slack took it"),
    Row("after Slack's 200, history closed", "Slack took it", route="mute", repeats=1),
    Row("after Twilio's 201", "Twilio took it", route="sms"),
    Row("after the mail provider's 200", "mail was taken", route="email", repeats=1),
    Row("in a step of escalation, before its commit", "step taken", TICK, route="steps"),
    Row("after a step's commit", "step committed", TICK, route="steps"),
    Row("in an answer by SMS, before its commit", "answer logged", WEB, route="sms", answer=True),
    Row("after an answer's commit, before Twilio hears", "answer committed", WEB, route="sms", answer=True),
    Row("in a handover", "handover written", TICK, route="duty", handover=True),
    Row("in the digest", "digest composed", digest=True),
    Row("after the mail provider's 200 for a digest", "mail was taken", digest=True, repeats=1),
    Row("in tick, when an event's lease has ended", "tick ended a lease", TICK, first="event claimed"),
    Row("in tick, when a try is settled", "tick settles a try", TICK, first="try written down"),
)


@dataclass(frozen=True)
class Cell:
    """A row on a stack. A kill that did not happen breaks it too: it would prove nothing."""

    row: Row
    stack: str
    kills: int = 0
    seconds: float = 0.0
    count: Count = field(default_factory=Count)
    fault: str = ""

    @property
    def broken(self) -> list[str]:
        count, row = self.count, self.row
        found = [self.fault] if self.fault else []
        if self.kills < (2 if row.first else 1):
            found.append(f"killed {self.kills} times")
        promises = {
            "events lost": count.events_lost,
            "effects doubled": count.effects_doubled,
            "alerts lost": count.alerts_lost,
            "repeats not marked": count.unmarked,
            f"messages doubled, not {row.repeats}": count.doubled - row.repeats,
        }
        found += [f"{what}: {number}" for what, number in promises.items() if number]
        return found + (count.notes if found else [])


def run(machine: Machine, rows: list[Row], stack: str) -> Iterator[Cell]:
    """Each row once. The site lives on from row to row."""
    machine.start_web()
    machine.start_worker()
    for number, row in enumerate(rows):
        left = machine.settle()
        yield Cell(row, stack, fault=f"not over before: {left}") if left else _Run(machine, row, stack, number).play()


class _Run:
    """One cell's course."""

    def __init__(self, machine: Machine, row: Row, stack: str, number: int) -> None:
        self._machine, self._row, self._stack = machine, row, stack
        self._type = f"{row.route}.row{number}"
        self._accepted: list[str] = []
        self._kills = 0
        self._died_at = 0.0
        self._digests_before = machine.value("SELECT coalesce(max(id), 0) FROM swa_notifier_digest")

    def play(self) -> Cell:
        machine, row = self._machine, self._row
        try:
            if row.recovers:
                self._recover()
            elif row.digest:
                self._digest()
            elif row.answer:
                self._answer()
            elif row.handover:
                self._handover()
            else:
                self._deliver()
            left = machine.settle()
            seconds = time.time() - self._died_at if self._died_at else 0.0
            fault = f"not over: {left}" if left else ""
        except AssertionError as error:
            seconds, fault = 0.0, str(error)
        finally:
            machine.disarm()
            machine.mended.unlink(missing_ok=True)
        told = everything_told(machine.providers)
        count = audit(machine, self._accepted, told, channels_of)
        if row.answer:
            count = _together(count, answers(machine, self._type))
        if row.handover:
            count = _together(count, handed_over(machine, self._type))
        if row.digest:
            count = _together(count, digests(machine, told, self._digests_before))
        return Cell(row, self._stack, self._kills, round(seconds, 1), count, fault)

    def _deliver(self) -> None:
        self._arm(self._row.first or self._row.point, WORK if self._row.first else self._row.kind)
        self._post("fine", "bug", "fine")
        self._await_death()
        if self._row.first:
            self._arm(self._row.point, self._row.kind)
            self._await_death()

    def _recover(self) -> None:
        machine = self._machine
        self._post("fine", "database")
        told = f"{TOLD} AND a.event_type = '{self._type}'"
        eventually(lambda: machine.value(told), what="the alert")
        self._arm(self._row.point, WORK)
        machine.mended.touch()
        self._await_death()

    def _digest(self) -> None:
        self._post("fine", "bug")
        left = self._machine.settle()
        assert not left, f"before the digest: {left}"
        self._arm(self._row.point, WORK)
        self._machine.manage("digest", "daily")
        self._await_death()

    def _answer(self) -> None:
        """Whoever was paged takes it; Twilio posts that until it is answered."""
        machine = self._machine
        self._post("fine", "bug")
        left = machine.settle()
        assert not left, f"before the answer: {left}"
        self._arm(self._row.point, WEB)
        acknowledge(machine, self._type)
        self._await_death()

    def _handover(self) -> None:
        """Somebody takes the rotation over, and then something fails."""
        self._arm(self._row.point, self._row.kind)
        take_over(self._machine)
        self._await_death()
        self._machine.revive()
        self._post("fine", "bug")

    def _post(self, *behaviours: str) -> None:
        for behaviour in behaviours:
            body = event(self._type, behaviour=behaviour)
            self._machine.deliver(body)
            self._accepted.append(body["id"])

    def _arm(self, point: str, kind: str) -> None:
        self._machine.arm(point, process_kind(kind, self._machine.engine))

    def _await_death(self) -> None:
        machine, killed = self._machine, self._machine.killed
        # Reviving: for a second kill, what the first one killed has to run again.
        eventually(lambda: killed.exists() or (machine.revive() and False), within=DEATH_WITHIN, what="the kill")
        self._died_at = killed.stat().st_ctime
        self._kills += 1
        killed.unlink()


def channels_of(event_type: str) -> tuple[str, ...]:
    return CHANNELS[event_type.partition(".")[0]]


def process_kind(kind: str, engine: str) -> str:
    """Which process does that work: tick stays with the worker where an engine does the rest."""
    if kind == WEB:
        return "granian"
    return engine if kind == WORK else "worker"


def _together(one: Count, other: Count) -> Count:
    values: dict[str, Any] = {name: getattr(one, name) + getattr(other, name) for name in one.__dataclass_fields__}
    return replace(one, **values)
