"""Events accepted per second, and how long an answer takes under that load.

Gunicorn with two sync workers on every side, eight connections, each opened anew for every request (sync workers have
no keep-alive), bodies of 1.6 kB, correctly signed and distinct. SQLite in WAL with synchronous=FULL, PostgreSQL with
synchronous_commit on. The sides take turns in every round.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from benchmarks import sides
from benchmarks.machine import (
    POSTGRESQL,
    Setup,
    free_port,
    median_best_worst,
    running,
    until,
    worker_command,
)  # fmt: skip
from benchmarks.result import NotHere, Result
from benchmarks.runner import Runner, rounds
from benchmarks.servers import DOCUMENTED
from benchmarks.sides import DJSTRIPE, FLOOR, OURS, Side, serving

WITH_WORKER = f"{OURS}, a worker running"
AS_DOCUMENTED = f"{OURS}, {DOCUMENTED.name}"
CUSTOMER, INVOICE = f"{DJSTRIPE}, customer.updated", f"{DJSTRIPE}, invoice.paid"
_PEER_GOALS = {"SQLite": 7, POSTGRESQL: 5}


def run(setup: Setup) -> Iterator[Result]:
    for kind in setup.kinds:
        with _runners(setup, kind) as runners:
            rounds(setup, runners, seconds=1.0)
        yield from _results(kind, {runner.name: runner for runner in runners})


@contextlib.contextmanager
def _runners(setup: Setup, kind: str) -> Iterator[list[Runner]]:
    with contextlib.ExitStack() as stack:
        start = stack.enter_context

        def runner(name: str, side: Side, port: int, command: Sequence[str] = ()) -> Runner:
            start(serving(setup, side, port, command))
            return Runner(name, side, port)

        ours, port = start(sides.ours(setup, kind)), free_port()
        runners = [
            runner(OURS, ours, free_port()),
            runner(FLOOR, start(sides.floor(setup, kind)), free_port()),
            runner(AS_DOCUMENTED, ours, port, DOCUMENTED.command(ours, port)),
        ]
        with contextlib.suppress(NotHere):  # `make bench` installs it; without it there are rows less
            peer = runner(DJSTRIPE, start(sides.djstripe(setup, kind, start(sides.stripe_api(setup)))), free_port())
            runners.append(peer)
            if not setup.quick:
                runners.append(Runner(CUSTOMER, peer.side, peer.port, "customer.updated"))
                runners.append(Runner(INVOICE, peer.side, peer.port, "invoice.paid"))
        if not setup.quick:
            worked = runner(WITH_WORKER, start(sides.ours(setup, kind)), free_port())
            process = start(running(setup, worker_command(), worked.side.environment))
            until(lambda: b"worker.started" in process.log.read_bytes(), "the worker's start")
            runners.append(worked)
        yield runners


def _results(kind: str, runners: dict[str, Runner]) -> Iterator[Result]:
    mine, least = runners[OURS], runners[FLOOR]
    for server in (mine, runners[AS_DOCUMENTED]):
        yield _rate(kind, server, least, "at least 0.85", 0.85)
        if peer := runners.get(DJSTRIPE):
            yield _rate(kind, server, peer, f"at least {_PEER_GOALS[kind]}", _PEER_GOALS[kind])
    for name in (CUSTOMER, INVOICE):
        if name in runners:
            yield _rate(kind, mine, runners[name])
    if WITH_WORKER in runners:
        yield _rate(kind, runners[WITH_WORKER], least)
    for runner in runners.values():
        if not runner.name.startswith(OURS):
            median, best, worst = median_best_worst(runner.rates)
            yield Result(f"events accepted, {kind}: {runner.name}", median, "/s", best=best, worst=worst)
    for name, ours, theirs in (("p50", mine.p50, least.p50), ("p99", mine.p99, least.p99)):
        value, best, worst = median_best_worst(ours, more_is_better=False)
        ratio = value / median_best_worst(theirs)[0]
        yield Result(
            f"{name} of the answer, {kind}",
            value,
            "ms",
            FLOOR,
            ratio,
            "at most 1.5" if name == "p99" else "",
            ratio <= 1.5 if name == "p99" else None,
            best,
            worst,
            note=f"{FLOOR}: {median_best_worst(theirs)[0]:.1f} ms",
        )


def _rate(kind: str, mine: Runner, other: Runner, goal: str = "", least: float | None = None) -> Result:
    value, best, worst = median_best_worst(mine.rates)
    ratio = value / median_best_worst(other.rates)[0]
    met = None if least is None else ratio >= least
    return Result(f"events accepted, {kind}: {mine.name}", value, "/s", other.name, ratio, goal, met, best, worst)
