"""What receiving, claiming, polling, ticking and a digest take as the tables grow."""

from __future__ import annotations

import contextlib
import json
import statistics
from collections.abc import Iterator

from benchmarks import machine
from benchmarks.machine import Setup
from benchmarks.result import Result
from benchmarks.worker_site import Site, site

SIZES, QUICK_SIZES = (10_000, 100_000, 1_000_000), (1_000, 10_000)  # stored events
ALERTS, QUICK_ALERTS = 10_000, 1_000  # open
YESTERDAY, QUICK_YESTERDAY = 100_000, 3_000  # failures that a digest tells
ASKED = ("receive", "claim", "poll", "tick", "digest")
PAGES = (
    "page now", "page alert", "page events", "page events given up", "page events of a customer", "page event",
    "page log", "page silences",
)  # fmt: skip
SLOWER, DIGEST, PAGE = 1.3, 5.0, 300.0  # times, seconds, milliseconds


def run(setup: Setup) -> Iterator[Result]:
    for kind in setup.kinds:
        yield from _grown(setup, kind, QUICK_SIZES if setup.quick else SIZES)


def _grown(setup: Setup, kind: str, sizes: tuple[int, ...]) -> Iterator[Result]:
    """A site of each size, asked in turn."""
    alerts = QUICK_ALERTS if setup.quick else ALERTS
    failures = QUICK_YESTERDAY if setup.quick else YESTERDAY
    with contextlib.ExitStack() as stack:
        sites = [stack.enter_context(site(setup, kind)) for _ in sizes]
        for found, size in zip(sites, sizes, strict=True):
            found.manage("bench_growth", "--events", str(size), "--alerts", str(alerts))
        rounds = [[_measure(found, *ASKED) for found in sites] for _ in range(setup.rounds)]
        sites[-1].manage("bench_growth", "--yesterday", str(failures))
        seconds = _measure(sites[-1], "digest")["digest"] / 1000
        pages = _measure(sites[-1], *PAGES)
    for name in ASKED:
        ratios = [one[-1][name] / one[0][name] for one in rounds]
        ratio, best, worst = machine.median_best_worst(ratios, more_is_better=False)
        most = statistics.median(one[-1][name] for one in rounds)
        yield Result(
            f"growth, {kind}, {name}", most, f"ms at {sizes[-1]:,} events", peer=f"at {sizes[0]:,} events",
            ratio=ratio, goal=f"< {SLOWER:g} times", met=ratio < SLOWER,
            note=f"{alerts:,} open alerts; {best:.2f} to {worst:.2f} times",
        )  # fmt: skip
    yield Result(
        f"growth, {kind}, digest of a day with {failures:,} failures", seconds, "s",
        goal=f"< {DIGEST:g} s", met=seconds < DIGEST,
    )  # fmt: skip
    for name, taken in pages.items():
        yield Result(
            f"growth, {kind}, {name}", taken, f"ms at {sizes[-1]:,} events", goal=f"< {PAGE:g} ms", met=taken < PAGE,
            note=f"{alerts:,} open alerts, {failures:,} failures",
        )  # fmt: skip


def _measure(found: Site, *names: str) -> dict[str, float]:
    measured: dict[str, float] = json.loads(found.manage("bench_growth", "--measure", *names))
    return measured
