"""Which server setting to use in production: this project under several, against the floor under two sync workers.

Every request opens a connection of its own, as behind a proxy that keeps none.
"""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from collections.abc import Iterator

from benchmarks import sides
from benchmarks.machine import Setup, free_port, median_best_worst
from benchmarks.result import Result
from benchmarks.runner import Runner, rounds
from benchmarks.sides import FLOOR, Side, serving

GRANIAN, GUNICORN = "granian", "gunicorn"
_PROGRAMS = {
    GRANIAN: "granian --interface wsgi --no-ws --log-level warning --host 127.0.0.1 --port {port}",
    GUNICORN: "gunicorn --log-level warning --bind 127.0.0.1:{port}",
}


@dataclasses.dataclass(frozen=True)
class Setting:
    name: str
    program: str
    options: str

    def command(self, side: Side, port: int) -> list[str]:
        program = _PROGRAMS[self.program].format(port=port)
        return [sys.executable, "-m", *program.split(), *self.options.split(), side.application]


DOCUMENTED = Setting("granian, 1 worker of 8 threads", GRANIAN, "--workers 1 --blocking-threads 8")
SETTINGS = (
    Setting("gunicorn, 2 sync workers", GUNICORN, "--workers 2"),
    Setting("gunicorn, 2 workers of 4 threads", GUNICORN, "--workers 2 --worker-class gthread --threads 4"),
    DOCUMENTED,
    Setting("granian, 2 workers of 4 threads", GRANIAN, "--workers 2 --blocking-threads 4"),
)


def run(setup: Setup) -> Iterator[Result]:
    for kind in setup.kinds:
        yield from _compare(setup, kind)


def _compare(setup: Setup, kind: str) -> Iterator[Result]:
    with contextlib.ExitStack() as stack:
        start = stack.enter_context
        floor, ours = start(sides.floor(setup, kind)), start(sides.ours(setup, kind))

        def runner(name: str, side: Side, command: list[str], port: int) -> Runner:
            start(serving(setup, side, port, command))
            return Runner(name, side, port)

        port = free_port()
        least = runner(FLOOR, floor, floor.server(port), port)
        tried = []
        for setting in SETTINGS:
            port = free_port()
            command = setting.command(ours, port)
            tried.append(runner(setting.name, ours, command, port))
        rounds(setup, [least, *tried], seconds=1.0)
    floor_rate = median_best_worst(least.rates)[0]
    for one in tried:
        rate, best, worst = median_best_worst(one.rates)
        p99 = median_best_worst(one.p99)[0]
        note = f"p99: {p99:.0f} ms, the floor's: {median_best_worst(least.p99)[0]:.0f} ms"
        yield Result(f"{kind}: {one.name}", rate, "/s", FLOOR, rate / floor_rate, best=best, worst=worst, note=note)
    best_one = max(tried, key=lambda one: median_best_worst(one.rates)[0])
    rate, best, worst = median_best_worst(best_one.rates)
    ratio = rate / floor_rate
    name = f"best server setting, {kind}: {best_one.name}"
    yield Result(name, rate, "/s", FLOOR, ratio, "more than 1", ratio > 1, best, worst)
