"""A storm: failures of three problems by the thousand, through a worker process, in turn with events that succeed."""

from __future__ import annotations

import contextlib
import json
import statistics
import time
from collections.abc import Iterator

from benchmarks import machine, provider
from benchmarks.machine import Setup
from benchmarks.processing import round_of
from benchmarks.result import NotHonest, Result
from benchmarks.worker_site import FAILING, Site, site

FAILURES, SECONDS = 100_000, 10.0  # on each database it ends with whichever comes first, unless it runs alone
STATEMENTS, HALF, MEGABYTES, BYTES = 3, 0.5, 30, 1000
COUNT = "SELECT coalesce(sum(count), 0) FROM swa_notifier_alert"
WINDOW = 300.0  # seconds between two messages on one alert, at least: DEFAULTS["interval"]


def run(setup: Setup) -> Iterator[Result]:
    for kind in setup.kinds:
        yield from _storm(setup, kind)


def _storm(setup: Setup, kind: str) -> Iterator[Result]:
    most, chunk = (600, 200) if setup.quick else (FAILURES, 2500)
    with contextlib.ExitStack() as stack:
        told = stack.enter_context(provider.running(setup))
        found = stack.enter_context(site(setup, kind, told))
        statements = float(json.loads(found.manage("bench_statements"))["per_failure"])
        each = _bytes(found, 200 if setup.quick else 3000)
        worker = stack.enter_context(found.worker())
        machine.until(lambda: len(told.arrivals()) == len(FAILING), "the first messages")
        began, failures = time.monotonic(), found.value(COUNT)
        before, most = failures, failures + most
        good, bad, memory = [], [], list[float]()
        while failures < most and (setup.quick or setup.alone or time.monotonic() - began < SECONDS):
            good.append(round_of(found, chunk // 2))
            bad.append(round_of(found, chunk, *FAILING))
            failures += chunk
            memory.append(worker.pss())
        messages, bound = len(told.arrivals()), len(FAILING) * (1 + int((time.monotonic() - began) / WINDOW))
        # Its state is committed before receivers are called.
        machine.until(lambda: found.value(COUNT) >= failures, "the last failure's alert")
        counted = found.value(COUNT)
    if counted != failures:
        raise NotHonest(f"{failures} events failed, {counted} failures are counted on alerts")
    share = statistics.median(b / g for g, b in zip(good, bad, strict=True))
    note = f"{failures - before:,} failures of {len(FAILING)} problems"
    yield Result(
        f"storm, {kind}, failures", statistics.median(bad), "failures/s", peer="successes", ratio=share,
        goal=f">= {HALF:g} of successes", met=share >= HALF, best=max(bad), worst=min(bad), note=note,
    )  # fmt: skip
    yield Result(
        f"storm, {kind}, statements in the notifier", statements, "a failure",
        goal=f"<= {STATEMENTS}", met=statements <= STATEMENTS,
    )  # fmt: skip
    yield Result(f"storm, {kind}, messages", messages, "messages", goal=f"<= {bound}", met=0 < messages <= bound)
    growth = memory[-1] - memory[0]
    yield Result(
        f"storm, {kind}, memory", growth, "MB more", goal=f"< {MEGABYTES} MB", met=growth < MEGABYTES,
        note=f"the worker's PSS, {memory[0]:.0f} MB after the first {chunk:,} failures",
    )  # fmt: skip
    yield Result(f"storm, {kind}, database", each, "bytes a failure", goal=f"< {BYTES}", met=each < BYTES)


def _bytes(found: Site, number: int) -> float:
    """By how much the database is larger when these events have failed than when they were only stored."""
    found.load(*FAILING, number=number)
    before = found.size()
    with found.worker():
        machine.until(found.done, f"{number} failures", within=300, every=0.1)
    return (found.size() - before) / number
