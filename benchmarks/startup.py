"""How soon it is there, and what it weighs: the checks, the web server's first 200, memory of web and worker.

Memory is PSS, so that pages shared by two workers count once, after some events have been taken.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence

from benchmarks import sides
from benchmarks.load import Load, apply
from benchmarks.machine import (
    SQLITE,
    Process,
    Setup,
    free_port,
    manage,
    median_best_worst,
    running,
    until,
    worker_command,
)
from benchmarks.result import NotHere, Result
from benchmarks.servers import DOCUMENTED
from benchmarks.sides import DJSTRIPE, OURS, Side, answers, serving


def run(setup: Setup) -> Iterator[Result]:
    with sides.ours(setup, SQLITE) as ours:
        checks = [_seconds_of_check(ours) for _ in range(setup.rounds)]
        yield _seconds("manage.py check", checks)
        ready = [_seconds_until_ready(setup, ours) for _ in range(setup.rounds)]
        yield _seconds("web server ready, first 200 of /healthz", ready, most=1.0)
        worker = _worker(setup, ours)
        web = _web(setup, ours)
        port = free_port()
        documented = _web(setup, ours, port, DOCUMENTED.command(ours, port))
    theirs = None if setup.quick else _peer(setup)
    for server, mine in (("gunicorn, 2 sync workers", web), (DOCUMENTED.name, documented)):
        name = f"memory of the web server: {OURS}, {server}"
        if theirs is None:
            yield Result(name, mine, "MB PSS")
        else:
            note = f"{DJSTRIPE}, gunicorn, 2 sync workers: {theirs:.0f} MB"
            yield Result(name, mine, "MB PSS", DJSTRIPE, mine / theirs, "less", mine < theirs, note=note)
    yield Result("memory of the worker", worker, "MB PSS")


def _seconds_of_check(side: Side) -> float:
    began = time.perf_counter()
    manage(side.environment, "check")
    return time.perf_counter() - began


def _seconds_until_ready(setup: Setup, side: Side) -> float:
    port = free_port()
    began = time.perf_counter()
    with running(setup, side.server(port), side.environment):
        until(lambda: answers(port, "/healthz") == 200, "the first 200")
        return time.perf_counter() - began


def _web(setup: Setup, side: Side, port: int = 0, command: Sequence[str] = ()) -> float:
    port = port or free_port()
    with serving(setup, side, port, command) as process:
        apply(Load(port, side.path, 0, seconds=0.5))
        return process.pss()


def _worker(setup: Setup, side: Side) -> float:
    with running(setup, worker_command(), side.environment) as process:
        until(lambda: b"worker.started" in process.log.read_bytes(), "the worker's start")
        return _settled(process)


def _settled(process: Process) -> float:
    """Its memory once it has stopped growing for half a second."""
    before = -1.0
    while (now := process.pss()) > before + 0.5:
        before = now
        time.sleep(0.5)
    return now


def _peer(setup: Setup) -> float | None:
    with contextlib.suppress(NotHere), sides.stripe_api(setup) as api, sides.djstripe(setup, SQLITE, api) as peer:
        return _web(setup, peer)
    return None


def _seconds(name: str, values: list[float], most: float | None = None) -> Result:
    value, best, worst = median_best_worst(values, more_is_better=False)
    goal, met = ("", None) if most is None else (f"under {most:g} s", value < most)
    return Result(name, value, "s", goal=goal, met=met, best=best, worst=worst)
