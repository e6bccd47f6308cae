"""One side under load, round by round, checked each time: the rows stored are the 200s answered."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

from benchmarks.counting import count
from benchmarks.load import Answers, Load, apply
from benchmarks.machine import Setup, percentile
from benchmarks.result import NotHonest
from benchmarks.sides import Side

_runs = itertools.count()


@dataclass
class Runner:
    """One row: a side, the type of event that it is sent, and what its rounds gave."""

    name: str
    side: Side
    port: int
    kind: str = "invoice.will_be_due"  # dj-stripe has no handler for this one
    rates: list[float] = field(default_factory=list)
    p50: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)

    def round(self, seconds: float) -> Answers:
        before = count(self.side)
        answers = apply(Load(self.port, self.side.path, next(_runs), self.kind, seconds))
        rows = count(self.side) - before
        if rows != answers.accepted or set(answers.statuses) != {"200"}:
            raise NotHonest(f"{self.name}: {rows} rows are stored, and the answers were {answers.statuses}")
        return answers

    def keep(self, answers: Answers) -> None:
        self.rates.append(answers.accepted / answers.seconds)
        self.p50.append(percentile(answers.times, 50))
        self.p99.append(percentile(answers.times, 99))


def rounds(setup: Setup, runners: list[Runner], seconds: float) -> None:
    """They take turns, so that whatever else the machine does meets all of them."""
    for runner in runners:
        runner.round(0.2)  # connections are opened, code is loaded
    for number in range(setup.rounds):
        # Another order in each, so that none has the same one before it every time.
        turn = [*runners[number % len(runners) :], *runners[: number % len(runners)]]
        for runner in reversed(turn) if number % 2 else turn:
            runner.keep(runner.round(0.3 if setup.quick else seconds))
