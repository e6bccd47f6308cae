"""SIGTERM in the middle of a handler, as at each deploy: the event goes to the next worker, and nobody hears of it."""

from __future__ import annotations

import signal

import pytest

from tests.acceptance.site import Providers, Site, engine_in_use, event, eventually

pytestmark = pytest.mark.skipif(
    engine_in_use() != "worker", reason="an engine's own processes finish what they have begun"
)
WITHIN = 15.0  # seconds from SIGTERM to the end of a worker that may take 1 s, on a busy machine


@pytest.mark.parametrize("behaviour", ["sleep-locked:60", "sleep:60"], ids=["in its transaction", "outside"])
def test_a_deploy_is_no_failure(behaviour: str, site: Site, providers: Providers) -> None:
    site.kill_workers()
    worker = site._start("worker", "manage.py", "worker", "--stop-timeout", "1")
    assert site.post(event(behaviour=behaviour)) == 200
    eventually((site.folder / "asleep").exists, what="the handler's sleep")
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(WITHIN) == 0
    assert _event(site) == ("pending", 0, "")
    assert site.value("SELECT count(*) FROM shop_effect") == 0
    site.mended.touch()
    site.start_worker()
    eventually(lambda: _event(site) == ("processed", 1, ""), what="the next worker's attempt")
    assert site.value("SELECT count(*) FROM shop_effect") == 1
    assert site.value("SELECT count(*) FROM swa_webhooks_failure") == 0
    assert providers.slack.messages == []


def _event(site: Site) -> tuple[str, int, str]:
    state, attempts, token = site.rows("SELECT state, attempts, token FROM swa_webhooks_webhookevent")[0]
    return state, attempts, token
