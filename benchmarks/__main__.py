"""Runs every benchmark, prints one table and writes var/bench.json."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

import psycopg
from rich.console import Console
from rich.table import Table

from benchmarks.machine import ROOT, Setup
from benchmarks.result import NotHere, NotHonest, Result

NAMES = (
    "receiving", "statements", "servers", "processing", "latency", "delivering",
    "storm", "growth", "sleeping", "idle", "startup", "bridge",
)  # fmt: skip
IN_QUICK = ("receiving", "statements", "processing", "latency", "delivering", "storm", "idle")
POSTGRES = os.environ.get("BENCH_POSTGRES_URL", "postgres://postgres@127.0.0.1:5432/postgres")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="what matters most, on SQLite, in a minute")
    parser.add_argument(
        "--only",
        action="append",
        choices=NAMES,
        metavar="NAME",
        help=f"one of {', '.join(NAMES)}; alone, the storm runs to its end",
    )
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    var = ROOT / "var"
    var.mkdir(mode=0o700, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir=var))  # not /tmp, which may be memory
    progress, failed, results = Console(stderr=True), False, list[Result]()
    setup = Setup(options.quick, bool(options.only), folder, max(3, options.rounds), _postgres())
    if not setup.postgres:
        progress.print("PostgreSQL is left out: none answers with fsync on. Set BENCH_POSTGRES_URL.", style="yellow")
    for name in options.only or (IN_QUICK if options.quick else NAMES):
        began = time.monotonic()
        try:
            for result in importlib.import_module(f"benchmarks.{name}").run(setup):
                results.append(result)
            progress.print(f"{name}: {time.monotonic() - began:.0f} s", style="dim")
        except NotHere as why:
            progress.print(f"{name}: not measured. {why}", style="yellow")
        except NotHonest as why:
            failed = True
            progress.print(f"{name}: not honest. {why}", style="red")
        except Exception:  # noqa: BLE001 - the others still run; the exit code tells
            failed = True
            traceback.print_exc()
    Console(width=None if sys.stdout.isatty() else 160).print(_table(results))
    (var / "bench.json").write_text(json.dumps([asdict(result) for result in results], indent=1) + "\n")
    if failed:
        progress.print(f"What its processes said is in {folder}.")
    else:
        shutil.rmtree(folder)
    return int(failed)


def _postgres() -> str | None:
    try:
        with psycopg.connect(POSTGRES, connect_timeout=2, autocommit=True) as connection:
            row = connection.execute(
                "SELECT current_setting('synchronous_commit'), current_setting('fsync')"
            ).fetchone()
            return POSTGRES if row == ("on", "on") else None
    except psycopg.Error:
        return None


def _table(results: Iterable[Result]) -> Table:
    table = Table(title=f"{os.cpu_count()} cores, Python {platform.python_version()}, medians")
    for name in ("what", "measured", "best..worst", "other side", "ratio", "goal", "met"):
        right = name in ("measured", "best..worst", "ratio")
        table.add_column(name, justify="right" if right else "left", no_wrap=right or name in ("goal", "met"))
    for result in results:
        spread = "" if result.best is None or result.worst is None else f"{_n(result.best)}..{_n(result.worst)}"
        ratio = "" if result.ratio is None else f"{result.ratio:.2f}"
        met = {True: "yes", False: "[red]no[/red]", None: ""}[result.met]
        what = f"{result.name}\n[dim]{result.note}[/dim]" if result.note else result.name
        table.add_row(what, f"{_n(result.value)} {result.unit}", spread, result.peer, ratio, result.goal, met)
    return table


def _n(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"


if __name__ == "__main__":
    sys.exit(main())
