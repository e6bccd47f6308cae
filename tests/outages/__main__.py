"""Stages every outage, one after the other, and prints what each cost. Exits with 1 when a promise was broken."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from tests.outages import (
    bombs,
    brokers,
    clock,
    disk,
    hanging,
    machines,
    postgres,
    provider,
    readonly,
    senders,
    upgrade,
)
from tests.outages.report import Outcome, Unavailable, table

OUTAGES: dict[str, Callable[[Path], Outcome]] = {
    "PostgreSQL restarted": postgres.restarted,
    "PostgreSQL hangs": postgres.hangs,
    "PostgreSQL read-only": readonly.database,
    "machine cut off": machines.cut_off,
    "disk full": disk.full,
    "slow senders": senders.slow,
    "handlers that hang": hanging.handlers,
    "provider answers with bombs": bombs.provider,
    "clock stepped by an hour": clock.stepped,
    "provider down for an hour": provider.down_for_an_hour,
    "RabbitMQ restarted and flushed": brokers.rabbitmq,
    "Redis restarted and flushed": brokers.redis,
    "a deploy": upgrade.deploy,
}


def stage(name: str, console: Console) -> Outcome | str:
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="outage-") as folder:
        try:
            outcome = OUTAGES[name](Path(folder))
        except Unavailable as why:
            console.print(f"{name}: left out, {why}")
            return str(why)
        except Exception:  # noqa: BLE001 - whatever it is, the other outages are staged as well
            outcome = Outcome(broken=[traceback.format_exc()])
    console.print(f"{name}: {time.monotonic() - began:.0f} s")
    for line in (*outcome.broken, *outcome.count.notes):
        console.print(f"  {line}", markup=False)
    return outcome


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", metavar="NAME", help=f"one of: {', '.join(OUTAGES)} (or how its name begins)")
    only = parser.parse_args().only
    chosen = [name for name in OUTAGES if only is None or name.lower().startswith(only.lower())]
    if not chosen:
        parser.error(f"there is no outage {only!r}")
    console = Console(width=max(Console().width, 150))
    rows = {name: stage(name, console) for name in chosen}
    console.print(table(rows))
    return int(any(isinstance(outcome, Outcome) and outcome.failed for outcome in rows.values()))


if __name__ == "__main__":
    sys.exit(main())
