"""What most outages need: a whole site under load, and its books afterwards."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.acceptance.site import eventually
from tests.chaos.audit import audit
from tests.chaos.machine import Machine
from tests.chaos.providers import everything_told, providers
from tests.outages.load import Load
from tests.outages.report import Outcome


def told_to(_event_type: str) -> tuple[str, ...]:
    return ("slack",)


@contextlib.contextmanager
def site(
    folder: Path, stack: str, *, workers: int = 2, web: bool = True, environment: Mapping[str, str] | None = None
) -> Iterator[Machine]:
    """A site with its web process and workers, on "sqlite", "postgresql", "celery" or "huey"."""
    with providers() as fakes:
        machine = Machine(folder, stack, fakes, max(2, workers))
        machine.environment |= {"DJANGO_SETTINGS_MODULE": "tests.outages.settings", **(environment or {})}
        try:
            if web:
                machine.start_web()
            for _ in range(workers):
                machine.start_worker()
            beats = "SELECT count(*) FROM swa_runtime_workerheartbeat"
            eventually(lambda: machine.value(beats) == workers, what="every worker's heartbeat")
            yield machine
        except BaseException:
            print(machine.log()[-4000:])  # noqa: T201 - else nobody would learn why
            raise
        finally:
            with contextlib.suppress(Exception):  # the database may be what is away
                machine.close()


def recover(machine: Machine, outcome: Outcome, since: float, within: float = 60.0) -> None:
    """Wait until nothing is left to do."""
    left = machine.settle(within)
    outcome.recovered = time.monotonic() - since
    outcome.check(not left, f"it did not recover within {within:g} s: {left}")


def count(machine: Machine, load: Load, outcome: Outcome) -> Outcome:
    """Compare what was accepted to what was handled, alerted and received."""
    outcome.count = audit(machine, load.accepted, everything_told(machine.providers), told_to)
    return outcome
