"""How long an answer takes while a handler sleeps: in its transaction, and before it with `atomic=False`.

Events come in at a steady rate, a worker runs, and what is measured is the answer to those that come in meanwhile.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

from benchmarks import sides
from benchmarks.counting import value
from benchmarks.load import Load, apply
from benchmarks.machine import (
    SQLITE,
    Setup,
    free_port,
    median_best_worst,
    percentile,
    running,
    until,
    worker_command,
)
from benchmarks.result import NotHonest, Result
from benchmarks.sides import Side, serving

RATE = 40.0  # events a second
IDLE, INSIDE, OUTSIDE = "no handler sleeps", "one sleeps in its transaction", "one sleeps, atomic=False"
_TYPES = {INSIDE: "charge.pending", OUTSIDE: "charge.expired"}
_MOST = {SQLITE: 2.0}  # times the idle one; PostgreSQL: no effect, as far as that can be told from noise
_runs = itertools.count()


@dataclass
class Times:
    p50: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)


def run(setup: Setup) -> Iterator[Result]:
    seconds = 1.0 if setup.quick else 5.0
    for kind in setup.kinds:
        port = free_port()
        changes = {"SITE_APPS": "benchmarks.sleepers", "SLEEP_SECONDS": str(seconds)}
        with (
            sides.ours(setup, kind, **changes) as side,
            serving(setup, side, port),
            running(setup, worker_command(), side.environment) as worker,
        ):
            until(lambda: b"worker.started" in worker.log.read_bytes(), "the worker's start")
            times = _measure(setup, kind, side, port, seconds)
        yield from _results(kind, times, seconds)


def _measure(setup: Setup, kind: str, side: Side, port: int, seconds: float) -> dict[str, Times]:
    times = {IDLE: Times(), OUTSIDE: Times()} | ({} if setup.quick else {INSIDE: Times()})
    _load(side, port, 0.5)
    for number in range(setup.rounds):
        for state in times:
            # Once is enough for what has no goal, and keeps everybody waiting.
            if state == INSIDE and kind == SQLITE and number:
                continue
            if state in _TYPES:
                _put_to_sleep(side, port, _TYPES[state])
            answers = _load(side, port, seconds * (0.4 if state == IDLE else 0.8))
            times[state].p50.append(percentile(answers, 50))
            times[state].p99.append(percentile(answers, 99))
            until(lambda: not _count(side, "state != 'processed'"), "the end of the work")
    return times


def _put_to_sleep(side: Side, port: int, kind: str) -> None:
    asleep = f"type = '{kind}' AND state = 'processing'"
    apply(Load(port, side.path, next(_runs), kind=kind, seconds=0.1, rate=1.0))
    until(lambda: _count(side, asleep), "a handler that sleeps")


def _load(side: Side, port: int, seconds: float) -> list[float]:
    answers = apply(Load(port, side.path, next(_runs), seconds=seconds, rate=RATE))
    if set(answers.statuses) != {"200"}:
        raise NotHonest(f"the answers were {answers.statuses}")
    return answers.times


def _count(side: Side, where: str) -> int:
    return value(side.environment["DATABASE_URL"], f"SELECT count(*) FROM {side.table} WHERE {where}")  # noqa: S608


def _results(kind: str, times: dict[str, Times], seconds: float) -> Iterator[Result]:
    idle = {name: median_best_worst(getattr(times[IDLE], name))[0] for name in ("p50", "p99")}
    for state, measured in times.items():
        p50 = median_best_worst(measured.p50)[0]
        p99, best, worst = median_best_worst(measured.p99, more_is_better=False)
        name = f"p99 of the answer, {kind}: {state}".replace(
            "sleeps", f"sleeps {seconds:g} s" if state != IDLE else "sleeps"
        )
        note = f"p50: {p50:.1f} ms"
        if state == IDLE:
            yield Result(name, p99, "ms", best=best, worst=worst, note=note)
            continue
        ratio, most = p99 / idle["p99"], None if (kind, state) == (SQLITE, INSIDE) else _MOST.get(kind, 1.5)
        goal, met = ("", None) if most is None else (f"at most {most:g}", ratio <= most)
        yield Result(name, p99, "ms", IDLE, ratio, goal, met, best, worst, f"{note}, {p50 / idle['p50']:.1f} times")
