"""Handlers that hang, more of them than the workers have threads; then the code is mended."""

from __future__ import annotations

import time
from pathlib import Path

from tests.acceptance.site import event, eventually
from tests.outages import stage
from tests.outages.load import Load
from tests.outages.report import Outcome

LIMIT = 1  # second: WEBHOOK_HANDLER_TIMEOUT
THREADS, WORKERS = 2, 2
HANG = THREADS * WORKERS + WORKERS
_TIMED_OUT = "SELECT count(*) FROM swa_webhooks_failure WHERE exception LIKE '%HandlerTimeout'"
_PROCESSED = "SELECT count(*) FROM swa_webhooks_webhookevent WHERE state = 'processed'"


def handlers(folder: Path) -> Outcome:
    """Each attempt ends at its limit, others are processed meanwhile, and what hung is processed when it is mended."""
    outcome = Outcome()
    environment = {"WEBHOOK_HANDLER_TIMEOUT": str(LIMIT), "WORKER_THREADS": str(THREADS)}
    with stage.site(folder, "sqlite", workers=WORKERS, environment=environment) as site:
        with Load(site, rate=10) as load:
            load.wait_for(20)
            hanging = [event("slow.event", behaviour="sleep:600") for _ in range(HANG)]
            for one in hanging:
                site.deliver(one)
            done = site.value(_PROCESSED)
            eventually(lambda: site.value(_TIMED_OUT) >= HANG, what="the end of every attempt that hangs")
            outcome.check(site.value(_PROCESSED) > done, "nothing was processed meanwhile")
            site.revive()  # who had lost more threads than it has
            site.mended.touch()
            back = time.monotonic()
            load.wait_for(20)
            site.manage("replay", "--type", "slow.event", "--pending")  # what was given up meanwhile
        load.accepted |= {str(one["id"]) for one in hanging}
        stage.recover(site, outcome, back)
        outcome.check(set(load.statuses()) == {200}, f"meanwhile it answered {dict(load.statuses())}")
        states = dict(site.rows("SELECT event_id, state FROM swa_webhooks_webhookevent"))
        outcome.check({states[str(one["id"])] for one in hanging} == {"processed"}, "what hung was not processed")
        starts = site.log("worker").count('"worker.started"')
        outcome.said = f"{HANG} hung in {THREADS * WORKERS} threads; workers started anew {starts - WORKERS} times"
        return stage.count(site, load, outcome)
