"""Nobody works, or nobody gets on, while Stripe is answered 200: the web processes notice, and say so once."""

from __future__ import annotations

import json
import os
import signal
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.site import Providers, Site, database_in_use, event, eventually

ADMIN = "ops@shop.example"
BEAT = "SELECT max(beat_at) FROM swa_runtime_workerheartbeat"
PENDING = "SELECT count(*) FROM swa_webhooks_webhookevent WHERE state = 'pending'"
PROCESSED = "SELECT count(*) FROM swa_webhooks_webhookevent WHERE state = 'processed'"


@pytest.fixture
def site(tmp_path: Path, providers: Providers) -> Iterator[Site]:
    """A worker that does one thing at a time, and nobody yet who answers Stripe."""
    environment = providers.environment() | {"ADMINS": ADMIN, "WORKER_THREADS": "1", "ENGINE_THREADS": "1"}
    found = Site(tmp_path, database_in_use(), **environment)
    try:
        found.start_worker()
        yield found
    finally:
        found.close()


def not_ready(site: Site) -> list[str]:
    """Why /readyz says that the site is not ready; nothing: it is."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{site.port}/readyz", timeout=30) as answer:
            found = json.load(answer)
    except urllib.error.HTTPError as error:
        found = json.load(error)
    return [reason["name"] for reason in found["reasons"]]


def beat(site: Site) -> Any:
    """The worker's next sign of life: for some seconds after it, an idle one writes nothing."""
    before = site.value(BEAT)
    eventually(lambda: site.value(BEAT) not in (before, None), what="a sign of the worker")


def signal_workers(site: Site, number: signal.Signals) -> None:
    for process in site.workers():
        os.killpg(process.pid, number)


def warned(providers: Providers) -> list[str]:
    return [f"{mail['subject']}\n{mail['text']}" for mail in providers.esp.messages if mail["to"] == ADMIN]


def look_again(site: Site, providers: Providers) -> str:
    """What four web processes, new ones, have to say when Stripe comes: each looks once a minute."""
    started = site.log("web").count("Started worker-")
    site.start_web(workers=4)
    eventually(lambda: site.log("web").count("Started worker-") == started + 4, what="the four processes")
    for _ in range(20):
        assert site.post(event()) == 200
    eventually(lambda: warned(providers), what="the mail to the admins")
    for _ in range(20):
        assert site.post(event()) == 200
    [mail] = warned(providers)
    assert site.log("web").count('"level": "critical"') == 1
    return mail


def test_a_worker_that_is_frozen(site: Site, providers: Providers) -> None:
    web = site.start_web()
    assert site.post(event()) == 200
    eventually(lambda: site.value(PROCESSED) == 1, what="the event's end")
    assert not_ready(site) == []
    beat(site)
    with site.nobody_writes():
        signal_workers(site, signal.SIGSTOP)
    assert site.post(event()) == 200
    site.execute(f"UPDATE swa_runtime_workerheartbeat SET beat_at = {site.ago(minutes=2)}")  # as after two minutes
    site.execute(f"UPDATE swa_webhooks_webhookevent SET due_at = {site.ago(minutes=2)} WHERE state = 'pending'")

    assert not_ready(site) == ["worker_dead"]
    site.kill(web)
    mail = look_again(site, providers)
    assert "No worker is running; work has been waiting since" in mail
    assert "Waiting for: events. Nothing is lost. Start `manage.py worker`." in mail

    signal_workers(site, signal.SIGCONT)
    eventually(lambda: not_ready(site) == [], what="the worker's return")
    eventually(lambda: site.value(PENDING) == 0, what="the end of the events that waited")


def test_a_worker_whose_loop_hangs_while_its_heart_beats(site: Site, providers: Providers) -> None:
    web = site.start_web()
    for _ in range(3):  # the worker, and an engine beside it, are busy with one each
        assert site.post(event(behaviour="sleep:600")) == 200
    eventually(lambda: site.value(PENDING) < 3, what="the first of them")
    site.execute(f"UPDATE swa_webhooks_webhookevent SET due_at = {site.ago(minutes=6)} WHERE state = 'pending'")
    beat(site)

    assert not_ready(site) == ["worker_stuck"]
    site.kill(web)
    mail = look_again(site, providers)
    assert "The worker is stuck: work has been waiting since" in mail
    assert "The last sign of a worker was at" in mail
    assert "Waiting for: events. Nothing is lost." in mail

    site.mended.touch()
    site.kill_workers()
    site.start_worker()
    eventually(lambda: not_ready(site) == [], what="the new worker's work")
