"""Distinct alerts delivered per second by one worker: each becomes a message of its own, in a storm of problems."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Iterator

from benchmarks import alertmanager, machine, provider
from benchmarks.machine import Setup
from benchmarks.provider import Provider
from benchmarks.result import NotHere, NotHonest, Result
from benchmarks.worker_site import Site, site

SLOW = 0.1  # seconds to an answer
GOALS = {SLOW: 150, 0.0: 300}  # alerts per second


def run(setup: Setup) -> Iterator[Result]:
    number = 100 if setup.quick else 500
    for delay, goal in GOALS.items():
        if delay and setup.quick:
            continue
        with contextlib.ExitStack() as stack:
            answers = f"provider answering {'in 100 ms' if delay else 'at once'}"
            told = {kind: stack.enter_context(provider.running(setup, delay)) for kind in setup.kinds}
            sites = {kind: stack.enter_context(site(setup, kind, told[kind])) for kind in setup.kinds}
            for found in sites.values():
                stack.enter_context(found.worker())
            theirs = [] if delay else _alertmanager(setup, stack, number)
            rates: dict[str, list[float]] = {kind: [] for kind in setup.kinds}
            for _ in range(setup.rounds):
                for kind, found in sites.items():
                    rates[kind].append(_round(found, told[kind], number))
        for kind in setup.kinds:
            rate, best, worst = machine.median_best_worst(rates[kind])
            other = machine.median_best_worst(theirs)[0] if theirs else None
            yield Result(
                f"alerts delivered, {kind}, {answers}", rate, "alerts/s",
                peer=f"{alertmanager.NAME} {other:,.0f}/s" if other else "", ratio=rate / other if other else None,
                goal=f">= {goal}", met=rate >= goal, best=best, worst=worst,
            )  # fmt: skip


def _round(found: Site, told: Provider, number: int) -> float:
    """Open so many alerts in one commit, all due now; the rate from the first message to the last."""
    told.forget()
    found.manage("bench_alerts", "--number", str(number))
    machine.until(lambda: len(told.arrivals()) >= number, f"{number} messages", within=120, every=0.2)
    delivered = "SELECT count(*) FROM swa_notifier_attempt WHERE result = 'delivered'"
    machine.until(lambda: found.value(delivered) >= found.value("SELECT count(*) FROM swa_notifier_alert"), "the rows")
    return _rate(told, number)


def _rate(told: Provider, number: int) -> float:
    arrivals = told.arrivals()
    marks = {mark for _, mark in arrivals}
    if (len(arrivals), len(marks)) != (number, number):
        raise NotHonest(f"{number} alerts: {len(arrivals)} messages on {len(marks)} of them")
    return (number - 1) / (arrivals[-1][0] - arrivals[0][0])


def _alertmanager(setup: Setup, stack: contextlib.ExitStack, number: int) -> list[float]:
    """What it reaches with a provider that answers at once; nothing where it is not installed."""
    told = stack.enter_context(provider.running(setup))
    try:
        found = stack.enter_context(alertmanager.running(setup, told))
    except NotHere:
        return []
    rates = []
    for _ in range(setup.rounds):
        told.forget()
        found.post(*(f"mark_{secrets.token_hex(6)}" for _ in range(number)))
        machine.until(lambda: len(told.arrivals()) >= number, f"{number} messages", every=0.2)
        time.sleep(0.2)  # one too many would come now
        rates.append(_rate(told, number))
    return rates
