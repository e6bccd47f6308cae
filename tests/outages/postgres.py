"""PostgreSQL is restarted the hard way, and PostgreSQL hangs."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.acceptance.site import eventually
from tests.chaos.machine import Machine
from tests.outages import stage
from tests.outages.cluster import cluster, reached_at
from tests.outages.load import Load
from tests.outages.proxy import Proxy
from tests.outages.report import Outcome

AWAY = 3.0  # seconds
PROBE = 10.0  # seconds that a probe waits at most


def restarted(folder: Path) -> Outcome:
    """It loses its power under load and comes back after some seconds; 503 meanwhile, and nobody restarts the site."""
    outcome = Outcome()
    with cluster(folder) as server, stage.site(folder, "postgresql") as site:
        processes = site.services()
        with Load(site) as load:
            load.wait_for(60)
            went = time.monotonic()
            server.crash()
            time.sleep(AWAY)
            came = time.monotonic()
            server.start()
            back = time.monotonic()
            load.wait_for(60)
        stage.recover(site, outcome, back)
        meanwhile = load.statuses(went + 0.5, came)
        outcome.check(set(meanwhile) == {503}, f"while it was away the web process answered {dict(meanwhile)}")
        after = load.statuses(back + 6)
        outcome.check(set(after) <= {200}, f"when it was back the web process answered {dict(after)}")
        outcome.check(site.services() == processes, "a process ended")
        outcome.said = f"503 to {load.statuses()[503]} of {len(load.answers)} posts"
        return stage.count(site, load, outcome)


def hangs(folder: Path) -> Outcome:
    """Its connections stand, and it says nothing: probes are told so in time, and all goes on when it answers again."""
    outcome = Outcome()
    with (
        cluster(folder) as server,
        Proxy((server.host, server.port)) as wire,
        reached_at("127.0.0.1", wire.port),
        stage.site(folder, "postgresql") as site,
    ):
        with Load(site) as load:
            load.wait_for(40)
        eventually(lambda: _probe(site)[0] == 200, what="a site that is ready")
        wire.silence()
        with ThreadPoolExecutor(4) as prober:  # one probe for each of the web process's threads
            answers = list(prober.map(_probe, [site] * 4))
        outcome.check({status for status, _ in answers} == {503}, f"probes were answered with {answers}")
        wire.restore()
        back = time.monotonic()
        eventually(lambda: _probe(site)[0] == 200, what="a site that is ready again")
        with Load(site) as more:
            more.wait_for(40)
        load.accepted |= more.accepted
        stage.recover(site, outcome, back)
        outcome.said = f"/readyz answers 503 within {max(took for _, took in answers):.1f} s"
        return stage.count(site, load, outcome)


def _probe(site: Machine) -> tuple[int, float]:
    """What /readyz answers, and the seconds it took; 0 when it did not answer in time."""
    began = time.monotonic()
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{site.port}/readyz", timeout=PROBE) as answer:
            return int(answer.status), time.monotonic() - began
    except urllib.error.HTTPError as error:
        return error.code, time.monotonic() - began
    except OSError:
        return 0, time.monotonic() - began
