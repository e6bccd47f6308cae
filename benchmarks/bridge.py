"""What the alerts add to dj-stripe's own request: their receivers run in it, before Stripe has its answer."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator

from benchmarks import sides
from benchmarks.machine import ROOT, Setup
from benchmarks.result import Result
from benchmarks.sides import DJSTRIPE, Side

MOST_MS = 5.0
WHAT = {"fails": "a delivery whose handler raises", "works": "a delivery that works"}


def run(setup: Setup) -> Iterator[Result]:
    for kind in setup.kinds:
        with contextlib.ExitStack() as stack:
            api = stack.enter_context(sides.stripe_api(setup))
            alone = stack.enter_context(sides.djstripe(setup, kind, api))
            alerted = stack.enter_context(sides.djstripe(setup, kind, api, ALERTS="1"))
            for how, what in WHAT.items():
                # In turns: the machine is not the same from minute to minute.
                both = [(_medians(alone, how, n), _medians(alerted, how, n)) for n in range(setup.rounds)]
                before = min(without["request"] for without, _ in both)
                after = min(with_it["request"] for _, with_it in both)
                took = sorted(with_it["receivers"] for _, with_it in both)
                cpu = min(with_it["cpu"] for _, with_it in both)
                yield Result(
                    f"in dj-stripe's request, our receivers: {what}, {kind}",
                    took[0],
                    "ms",
                    DJSTRIPE,
                    after / before,
                    f"less than {MOST_MS:.0f} ms",
                    took[0] < MOST_MS,
                    took[0],
                    took[-1],
                    note=f"of it {cpu:.1f} ms computing; the request: {before:.1f} ms without, {after:.1f} ms with",
                )


def _medians(side: Side, how: str, run: int) -> dict[str, float]:
    command = [side.python, "-m", "benchmarks.sides.delivering", side.path, how, str(run)]
    done = subprocess.run(command, cwd=ROOT, env=side.environment, capture_output=True)  # noqa: S603 - our own
    if done.returncode:
        raise RuntimeError(done.stderr.decode())
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found
