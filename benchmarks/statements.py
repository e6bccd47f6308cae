"""SQL statements and calls to Stripe's API in the request that takes an event. Counted: any machine gives the same."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator

from benchmarks import sides
from benchmarks.machine import ROOT, Setup
from benchmarks.result import NotHere, Result
from benchmarks.sides import DJSTRIPE, OURS, Side

KINDS = {"no handler": "invoice.will_be_due", "customer.updated": "customer.updated", "invoice.paid": "invoice.paid"}


def run(setup: Setup) -> Iterator[Result]:
    for kind in setup.kinds:
        with sides.ours(setup, kind) as ours:
            mine = _count(ours, "invoice.paid")
        yield _result(f"SQL statements in the request, {kind}: {OURS}", mine["statements"], 2)
        yield _result(f"calls to Stripe in the request, {kind}: {OURS}", mine["calls"], 0)
        if setup.quick:
            continue
        with contextlib.suppress(NotHere), sides.stripe_api(setup) as api, sides.djstripe(setup, kind, api) as peer:
            for number, (what, event) in enumerate(KINDS.items()):
                theirs = _count(peer, event, number)
                name = f"{kind}: {DJSTRIPE}, {what}"
                yield _result(f"SQL statements in the request, {name}", theirs["statements"])
                yield _result(f"calls to Stripe in the request, {name}", theirs["calls"])


def _count(side: Side, event: str, run: int = 0) -> dict[str, int]:
    command = [side.python, "-m", "benchmarks.sides.in_request", side.path, event, str(run)]
    done = subprocess.run(command, cwd=ROOT, env=side.environment, capture_output=True)  # noqa: S603 - our own
    if done.returncode:
        raise RuntimeError(done.stderr.decode())
    counts: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    return counts


def _result(name: str, value: int, most: int | None = None) -> Result:
    goal, met = ("", None) if most is None else (f"at most {most}", value <= most)
    return Result(name, value, "", goal=goal, met=met)
