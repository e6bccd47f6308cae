"""The wall clock of one of two workers is stepped by an hour, forth and back, while both hold leases."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from tests.outages import stage
from tests.outages.load import Load
from tests.outages.report import Outcome

HOUR = 3600
WORK = 5.0  # seconds, more than a process may be silent: only what a living one says keeps what it holds
LEASES = {"ALERTS_LEASE": "4"}


def stepped(folder: Path) -> Outcome:
    """Slow handlers, a slow Slack: each worker holds leases when the other thinks that all have ended."""
    outcome = Outcome()
    environment: dict[str, Any] = {
        "SITE_APPS": "tests.acceptance.shop,tests.outages.clock_app",
        "CLOCK": str(folder / "right"),
        **LEASES,
    }
    with stage.site(folder, "postgresql", workers=1, environment=environment) as site:
        clock = folder / "stepped"
        site.environment["CLOCK"] = str(clock)
        site.start_worker()
        load = Load(site)
        for seconds in (HOUR, -HOUR, 0):
            site.providers.slack.script(*[{"delay": WORK}] * 2)
            with Load(site, slow=f"sleep:{WORK:g}") as more:
                more.wait_for(20)
                clock.with_suffix(".tmp").write_text(str(seconds))
                clock.with_suffix(".tmp").rename(clock)
                stepped_at = time.monotonic()
                more.wait_for(20)
                time.sleep(WORK)
            load.accepted |= more.accepted
            load.answers += more.answers
            stage.recover(site, outcome, stepped_at)
        outcome.check(set(load.statuses()) == {200}, f"the web process answered {dict(load.statuses())}")
        lost = site.value("SELECT count(*) FROM swa_webhooks_failure WHERE exception LIKE '%WorkerLost'")
        lost += site.value("SELECT count(*) FROM swa_notifier_attempt WHERE code = 'worker-lost'")
        outcome.check(lost == 0, f"{lost} leases of living workers were taken away")
        outcome.said = "no lease of a living worker was taken away"
        return stage.count(site, load, outcome)
