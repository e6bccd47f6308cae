"""The crash matrix and the storm. `python -m tests.chaos --help` has the options.

Prints its seed first; with the same seed the rows come in the same order and the storms have the same faults. Ends
with 1 when a promise was broken, and says which; the logs of that site are kept.
"""

from __future__ import annotations

import argparse
import random
import secrets
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tests.acceptance.site import ROOT
from tests.chaos import matrix, storm, table
from tests.chaos.machine import Machine
from tests.chaos.matrix import ROWS, Cell, Row
from tests.chaos.providers import providers
from tests.chaos.storm import Storm

STACKS = ("celery", "postgresql", "sqlite")  # the slowest first
STORM = "storm"
PARTS = 2  # sites over which the rows of a stack are spread, so that none holds up the end
PAGE = ROOT / "docs" / "chaos.md"
_printing = threading.Lock()


def main() -> int:
    asked = _arguments()
    rows = [row for row in ROWS if not asked.only or any(words in row.title for words in asked.only)]
    stormy = asked.minutes > 0 and (not asked.only or STORM in asked.only)
    if not rows and not stormy:
        say(f"There is no such row. There are: {'; '.join(row.title for row in ROWS)}; {STORM}")
        return 2
    say(f"seed {asked.seed}: --seed {asked.seed} (make chaos SEED={asked.seed}) repeats this run")
    run = Run(asked.seed)
    began = time.monotonic()
    with ThreadPoolExecutor(asked.jobs) as pool:
        jobs = run.jobs(asked.stack, rows, asked.minutes * 60 if stormy else 0, draw=asked.draw)
        for job in [pool.submit(job) for job in jobs]:
            job.result()
    text = run.tables()
    broken = run.broken()
    end = f"{broken} BROKEN" if broken else "no promise broken"
    say(f"\n{text}\n\n{len(run.cells)} rows, {len(run.storms)} storms, {time.monotonic() - began:.0f} s: {end}")
    if asked.write and not broken:
        PAGE.write_text(table.between_markers(PAGE.read_text(), text))
    return 1 if broken else 0


def say(text: str) -> None:
    with _printing:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description="The crash matrix and the storm.")
    parser.add_argument("--seed", type=int, default=None, help="repeats a run; without it a new one is drawn")
    parser.add_argument("--minutes", type=float, default=1.0, help="how long a storm lasts; 0 for none (default: 1)")
    parser.add_argument("--only", nargs="*", default=[], help=f"words of the rows to play, or `{STORM}`")
    parser.add_argument("--stack", nargs="*", choices=STACKS, default=list(STACKS), help="default: all")
    parser.add_argument("--draw", action="store_true", help="each row on one of the stacks, which the seed draws")
    parser.add_argument("--jobs", type=int, default=4, help="sites under test side by side (default: 4)")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/chaos.md")
    asked = parser.parse_args()
    asked.seed = secrets.randbelow(1_000_000) if asked.seed is None else asked.seed
    return asked


class Run:
    """What was played, and what came of it."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.cells: list[Cell] = []
        self.storms: list[Storm] = []

    def jobs(
        self, stacks: list[str], rows: list[Row], storm_seconds: float, *, draw: bool = False
    ) -> Iterator[Callable[[], None]]:
        """Each has a site of its own and can be played beside the others."""
        drawn = random.Random(self.seed).sample(rows, len(rows))  # noqa: S311 - repeatable, not secret
        for number, stack in enumerate(stacks):
            own = drawn[number :: len(stacks)] if draw else rows
            for part in range(min(PARTS, len(own))):
                yield partial(self._play_rows, stack, own[part::PARTS])
        for stack in stacks if storm_seconds else ():
            yield partial(self._play_storm, stack, storm_seconds)

    def tables(self) -> str:
        found = [table.matrix(self.cells)] if self.cells else []
        found += [table.storms(self.storms)] if self.storms else []
        return "\n\n".join([*found, table.foot()])

    def broken(self) -> int:
        return sum(bool(cell.broken) for cell in self.cells) + sum(bool(found.broken) for found in self.storms)

    def _play_rows(self, stack: str, rows: list[Row]) -> None:
        waiting = random.Random(f"{self.seed} {stack}").sample(rows, len(rows))  # noqa: S311 - repeatable, not secret
        while waiting:  # after a row that broke, the others get a site of their own
            with _site(stack) as machine:
                for cell in matrix.run(machine, waiting, stack):
                    waiting = waiting[1:]
                    self.cells.append(cell)
                    _tell(machine, stack, cell.row.title, cell.seconds, cell.broken)
                    if cell.broken:
                        break

    def _play_storm(self, stack: str, seconds: float) -> None:
        with _site(stack, 2, CHAOS_INTERVAL="3s") as machine:
            found = storm.run(machine, stack, self.seed, seconds)
            self.storms.append(found)
            _tell(machine, stack, f"a storm of {seconds:g} s", found.recovered_in, found.broken)


@contextmanager
def _site(stack: str, size: int = 1, /, **environment: str) -> Iterator[Machine]:
    folder = Path(tempfile.mkdtemp(prefix=f"chaos-{stack}-"))
    with providers() as fakes:
        machine = Machine(folder, stack, fakes, size, **environment)
        try:
            yield machine
        finally:
            machine.close()
    if not (folder / "evidence.txt").exists():
        shutil.rmtree(folder)


def _tell(machine: Machine, stack: str, what: str, seconds: float, broken: list[str]) -> None:
    lines = [f"{'BROKEN' if broken else 'ok':7}{seconds:5.1f} s  {table.NAMES[stack]}: {what}"]
    if broken:
        lines += [*broken, f"see {machine.evidence()}"]
    say("\n        ".join(lines))


if __name__ == "__main__":
    sys.exit(main())
