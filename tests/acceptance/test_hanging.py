"""Handlers that hang, in a real worker: it goes on with new threads, and starts anew when too many are lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from alerts_runtime.worker.runner import RESTART
from tests.acceptance.site import ROOT, Providers, Site, database_in_use, engine_in_use, event, eventually

pytestmark = pytest.mark.skipif(engine_in_use() != "worker", reason="an engine's slots are its own")
THREADS = 4
PROCESSED = "SELECT count(*) FROM swa_webhooks_webhookevent WHERE state = 'processed'"
TIMED_OUT = "SELECT count(*) FROM swa_webhooks_failure WHERE exception LIKE '%HandlerTimeout'"
TAKEN = "SELECT count(*) FROM swa_webhooks_webhookevent WHERE state = 'processing'"


@pytest.fixture
def site(tmp_path: Path, providers: Providers) -> Iterator[Site]:
    environment = providers.environment() | {"WEBHOOK_HANDLER_TIMEOUT": "1", "WORKER_THREADS": str(THREADS)}
    found = Site(tmp_path, database_in_use(), **environment)
    try:
        yield found
    finally:
        found.close()


def hang(site: Site, number: int) -> None:
    before = site.value(TIMED_OUT)
    for _ in range(number):
        assert site.post(event(behaviour="sleep:600")) == 200
    eventually(lambda: site.value(TIMED_OUT) == before + number, what=f"the end of {number} attempts")
    # Their next attempts, which would hang as well, come after the test.
    site.execute(f"UPDATE swa_webhooks_webhookevent SET due_at = {site.ago(hours=-9)} WHERE state = 'pending'")


def works(site: Site) -> None:
    before = site.value(PROCESSED)
    assert site.post(event()) == 200
    eventually(lambda: site.value(PROCESSED) == before + 1, what="an event's end")


def ready(site: Site) -> dict[str, object]:
    with urllib.request.urlopen(f"http://127.0.0.1:{site.port}/readyz", timeout=30) as answer:
        return dict(json.load(answer))


def test_a_worker_of_which_every_thread_hangs_goes_on_and_one_more_starts_it_anew(site: Site) -> None:
    site.start_web()
    site.start_worker()
    [worker] = site.workers()
    hang(site, THREADS)
    works(site)
    # The worker says how many with its next beat, which may come while some of them still have their second.
    eventually(lambda: "4 handlers hang" in json.dumps(ready(site).get("warnings")), what="the warning")
    assert ready(site)["ready"] is True
    assert worker.poll() is None

    hang(site, 1)
    assert worker.wait(30) == RESTART
    assert site.value(TAKEN) == 0  # handed back, or written down
    site.start_worker()
    works(site)


def test_serve_starts_it_anew(site: Site) -> None:
    log = site.folder / "serve.log"
    command = [sys.executable, "manage.py", "serve", "--port", str(site.port)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env=site.environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        eventually(lambda: site.post(event()) == 200, what="the first answer")
        hang(site, THREADS + 1)
        eventually(lambda: log.read_text().count('"event": "worker.started"') == 2, what="the second worker")
        works(site)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(40) == 0
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
