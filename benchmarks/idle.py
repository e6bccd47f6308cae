"""What a worker costs that has nothing to do: CPU time and memory."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any

from benchmarks import machine
from benchmarks.machine import Setup
from benchmarks.result import Result
from benchmarks.worker_site import site

CPU, MEMORY = 3, 80  # percent of a core, MB
SETTLED = 2.0  # seconds


def run(setup: Setup) -> Iterator[Result]:
    seconds = 1.5 if setup.quick else 5
    # As it ships: three channels, a daily digest.
    shipped: dict[str, Any] = {"DJANGO_SETTINGS_MODULE": "core.settings", "ONCALL_NUMBERS": "", "ALERT_EMAIL_TO": ""}
    with contextlib.ExitStack() as stack:
        workers = {
            kind: stack.enter_context(stack.enter_context(site(setup, kind, **shipped)).worker())
            for kind in setup.kinds
        }
        time.sleep(SETTLED)
        percents: dict[str, list[float]] = {kind: [] for kind in setup.kinds}
        for _ in range(setup.rounds):
            before, began = {kind: worker.cpu() for kind, worker in workers.items()}, time.monotonic()
            time.sleep(seconds)
            for kind, worker in workers.items():
                percents[kind].append((worker.cpu() - before[kind]) / (time.monotonic() - began) * 100)
        memory = {kind: worker.pss() for kind, worker in workers.items()}
    for kind in setup.kinds:
        percent, best, worst = machine.median_best_worst(percents[kind], more_is_better=False)
        yield Result(
            f"idle worker, {kind}, CPU", percent, "% of a core",
            goal=f"<= {CPU} %", met=percent <= CPU, best=best, worst=worst,
        )  # fmt: skip
        yield Result(
            f"idle worker, {kind}, memory", memory[kind], "MB",
            goal=f"<= {MEMORY} MB", met=memory[kind] <= MEMORY, note="PSS",
        )  # fmt: skip
