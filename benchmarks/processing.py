"""Events processed per second: claim, one cheap handler, its transaction, finish. By one worker, and by two."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from benchmarks import machine
from benchmarks.machine import POSTGRESQL, SQLITE, Setup
from benchmarks.result import NotHonest, Result
from benchmarks.worker_site import CHEAP, Site, site

GOAL, SCALES = 500, 1.6  # events per second and worker; times as many with a second worker


def run(setup: Setup) -> Iterator[Result]:
    number = 400 if setup.quick else 1500
    with site(setup, SQLITE) as found, found.worker():
        yield _result(SQLITE, "one worker", [round_of(found, number) for _ in range(setup.rounds)])
    if POSTGRESQL in setup.kinds:
        yield from _scaled(setup, number, "4")
        # With less than two cores' work in one worker: what is left to the database, not to the machine.
        yield from _scaled(setup, number, "1", " of one thread")


def _scaled(setup: Setup, number: int, threads: str, of_threads: str = "") -> Iterator[Result]:
    alone, two = [], []
    with site(setup, POSTGRESQL, WORKER_THREADS=threads) as found, found.worker():
        for _ in range(setup.rounds):
            alone.append(round_of(found, number))
            with found.worker():
                two.append(round_of(found, number))
    yield _result(POSTGRESQL, f"one worker{of_threads}", alone)
    rate, best, worst = machine.median_best_worst(two)
    ratio = rate / machine.median_best_worst(alone)[0]
    yield Result(
        f"processing, {POSTGRESQL}, two workers{of_threads}", rate, "events/s",
        peer="one worker", ratio=ratio, goal=f">= {SCALES:g} of one", met=ratio >= SCALES, best=best, worst=worst,
    )  # fmt: skip


def round_of(found: Site, number: int, *types: str, loaded: Callable[[], object] = lambda: None) -> float:
    """Load so many events at once; how many per second were processed (or failed) from the first to the last.

    `loaded` is called when they are stored and the first may be at work.
    """
    before, payments = found.count(), found.value("SELECT count(*) FROM benchmark_shop_payment")
    found.load(*(types or (CHEAP,)), number=number)
    loaded()
    machine.until(found.done, f"processing {number} events", within=300, every=0.1)
    first = found.value("SELECT max(id) FROM swa_webhooks_webhookevent") - number
    if types:
        when, rows = "occurred_at", f"swa_webhooks_failure WHERE event_id > {first}"
    else:
        when, rows = "processed_at", f"swa_webhooks_webhookevent WHERE id > {first} AND state = 'processed'"
    seconds, done = found.rows(f"SELECT {found.seconds(when)}, count({when}) FROM {rows}")[0]  # noqa: S608 - our own names
    paid = found.value("SELECT count(*) FROM benchmark_shop_payment") - payments
    if (done, found.count() - before, paid) != (number, number, 0 if types else number):
        raise NotHonest(f"{number} events were loaded, {done} are done, {paid} were recorded by the handler")
    return (number - 1) / float(seconds)


def _result(kind: str, workers: str, rates: list[float]) -> Result:
    rate, best, worst = machine.median_best_worst(rates)
    return Result(
        f"processing, {kind}, {workers}", rate, "events/s",
        goal=f">= {GOAL}", met=rate >= GOAL, best=best, worst=worst, note="one handler that writes one row",
    )  # fmt: skip
