"""A provider, or somebody in its place, answers every call with hundreds of megabytes, plain or compressed."""

from __future__ import annotations

import time
from pathlib import Path

from tests.acceptance.site import eventually
from tests.chaos.machine import Machine
from tests.chaos.providers import Slack
from tests.fakes import FLOOD
from tests.outages import stage
from tests.outages.load import Load
from tests.outages.report import Outcome

# Slack did its work, or did not; the last is an answer that somebody else gives in its place.
BOMBS: tuple[dict[str, object], ...] = (
    {"broken": "flood"},
    {"broken": "flood", "status": 500},
    {"broken": "bomb", "status": 200},
)
ANSWERS = 60  # that are bombs, if it is asked so often
ASKED = 4
MOST = 60.0  # MB by which the workers may grow


def provider(folder: Path) -> Outcome:
    """The worker's memory stays as it is, and nobody goes without the news."""
    outcome = Outcome()
    with stage.site(folder, "sqlite", workers=1) as site:
        slack = site.providers.slack
        assert isinstance(slack, Slack)
        with Load(site) as load:
            load.wait_for(40)
            before = _memory(site)
            slack.script(*(BOMBS[number % len(BOMBS)] for number in range(ANSWERS)))
            asked = len(slack.received)
            # Few: a provider that fails is tried with one message, ever more rarely.
            eventually(lambda: len(slack.received) >= asked + ASKED, within=60, what="some such answers")
            grew = max(_memory(site) - before, 0.0)
            slack.heal()
            back = time.monotonic()
            load.wait_for(40)
        stage.recover(site, outcome, back, within=90)
        outcome.check(grew < MOST, f"the worker grew by {grew:.0f} MB")
        outcome.said = f"answers of {FLOOD / 1e6:.0f} MB, plain and compressed: the worker grew by {grew:.0f} MB"
        return stage.count(site, load, outcome)


def _memory(site: Machine) -> float:
    """The most that a worker ever had, in MB."""
    peaks = []
    for process in site.workers():
        status = Path(f"/proc/{process.pid}/status").read_text()
        peaks.append(int(status.partition("VmHWM:")[2].split()[0]) / 1024)
    return max(peaks)
