"""PostgreSQL turns read-only, as a standby is after a failover, and writable again; its connections stand meanwhile."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from pathlib import Path

import psycopg

from tests.acceptance.site import eventually
from tests.chaos.machine import Machine
from tests.outages import stage
from tests.outages.cluster import Cluster, cluster
from tests.outages.load import Load
from tests.outages.report import Outcome

LASTS = 4.0  # seconds


def database(folder: Path) -> Outcome:
    """Posts and /readyz are answered 503, never 500 and never 200, and all goes on by itself when it can be written."""
    outcome = Outcome()
    with cluster(folder) as server, stage.site(folder, "postgresql") as site:
        processes = site.services()
        with Load(site) as load:
            load.wait_for(60)
            _set(server, read_only=True)
            went = time.monotonic()
            eventually(lambda: load.statuses(went)[503], what="a 503 for want of a database that can be written")
            refused = time.monotonic() + 0.5  # each session hears of it with its next statement
            ready = [_readyz(site) for _ in range(int(LASTS)) if not time.sleep(1)]  # type: ignore[func-returns-value]  # it returns None
            came = time.monotonic()
            _set(server, read_only=False)
            back = time.monotonic()
            load.wait_for(60)
        stage.recover(site, outcome, back)
        meanwhile = load.statuses(refused, came)
        outcome.check(set(meanwhile) == {503}, f"while it was read-only the web process answered {dict(meanwhile)}")
        outcome.check(set(load.statuses()) <= {200, 503}, f"it answered {dict(load.statuses())}")
        outcome.check(set(ready[1:]) == {503}, f"/readyz answered {ready}")
        outcome.check(set(load.statuses(back + 2)) <= {200}, f"afterwards it answered {load.statuses(back + 2)}")
        outcome.check(site.services() == processes, "a process ended")
        outcome.said = f"503 to {load.statuses()[503]} of {len(load.answers)} posts, and from /readyz"
        return stage.count(site, load, outcome)


def _set(server: Cluster, *, read_only: bool) -> None:
    where = f"postgres://postgres@{server.host}:{server.port}/postgres"
    with psycopg.connect(where, autocommit=True, options="-c default_transaction_read_only=off") as connection:
        connection.execute(f"ALTER SYSTEM SET default_transaction_read_only = {'on' if read_only else 'off'}")
        connection.execute("SELECT pg_reload_conf()")


def _readyz(site: Machine) -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{site.port}/readyz", timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
