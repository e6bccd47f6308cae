"""Engines: who does the work, and what happens when the broker is away. Beside `manage.py worker` alone: the skip."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest

from tests.acceptance.site import Providers, Site, database_in_use, engine_in_use, event, eventually

on_an_engine = pytest.mark.skipif(engine_in_use() == "worker", reason="no engine; set TEST_ENGINE=celery or huey")


@on_an_engine
def test_the_engine_does_the_work_and_the_worker_only_looks_on(site: Site, providers: Providers) -> None:
    assert site.post(event()) == 200
    assert site.post(event(behaviour="bug")) == 200
    eventually(lambda: providers.slack.messages, what="the alert")
    eventually(lambda: site.value("SELECT count(*) FROM swa_webhooks_webhookevent WHERE state = 'processed'") == 1)
    assert "event.processed" in site.log(site.engine)
    assert "event.processed" not in site.log("worker")
    assert "engine.behind" not in site.log("worker")


@on_an_engine
def test_without_its_broker_webhooks_are_answered_and_alerts_arrive(tmp_path: Path, providers: Providers) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # worse than one that refuses: nobody answers
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        away = {"BROKER_URL": f"amqp://{address}//", "REDIS_URL": f"redis://{address}/0"}
        site = Site(tmp_path, database_in_use(), **providers.environment(), **away)
        try:
            _work_without_its_broker(site, providers)
        finally:
            site.close()


def _work_without_its_broker(site: Site, providers: Providers) -> None:
    site.start_web()
    site.start_worker(wait=False)
    bodies = [event(behaviour="bug"), *(event() for _ in range(20))]
    slowest = 0.0
    for body in bodies:
        began = time.monotonic()
        assert site.post(body) == 200
        slowest = max(slowest, time.monotonic() - began)
    assert slowest < 2, "no request waits for the broker, whose connection would time out after 2 s"
    eventually(lambda: providers.slack.messages, what="the alert")
    done = "SELECT count(*) FROM swa_webhooks_webhookevent WHERE state = 'processed'"
    eventually(lambda: site.value(done) == 20, what="20 processed events")
    assert site.value("SELECT count(*) FROM shop_effect") == 20
    eventually(lambda: "engine.not_reached" in site.log("web"), what="the log's line")
    assert len([one for one in providers.slack.messages if "thread_ts" not in one]) == 1
