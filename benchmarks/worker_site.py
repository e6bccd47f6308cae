"""A site of this project in processes of its own: a migrated database, web, workers, and a look into its tables."""

from __future__ import annotations

import contextlib
import http.client
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import stripe

from benchmarks import machine
from benchmarks.machine import SQLITE, Process, Setup
from benchmarks.provider import Provider

NOWHERE = "http://127.0.0.1:9"  # the discard port: nobody listens there
CHEAP = "invoice.paid"
FAILING = ("invoice.payment_failed", "customer.deleted", "charge.refunded")


@dataclass
class Site:
    """One site. `environment` is that of its processes."""

    setup: Setup
    kind: str  # of database
    environment: dict[str, str]
    port: int = field(default_factory=machine.free_port)
    looker: psycopg.Connection | None = None  # kept: PostgreSQL forks for each, which takes from what is measured

    def manage(self, *command: str) -> str:
        return machine.manage(self.environment, *command)

    @contextlib.contextmanager
    def web(self) -> Iterator[Process]:
        command = (
            "-m granian --interface wsgi --no-ws --host 127.0.0.1 --workers 1 --blocking-threads 4"
            f" --port {self.port} core.wsgi:application"
        )
        with machine.running(self.setup, [sys.executable, *command.split()], self.environment) as process:
            machine.until(lambda: machine.listens(self.port), "the web process")
            yield process

    @contextlib.contextmanager
    def worker(self) -> Iterator[Process]:
        """A worker that has begun to work."""
        before = self.value("SELECT count(*) FROM swa_runtime_workerheartbeat")
        with machine.running(self.setup, machine.worker_command(), self.environment) as process:
            machine.until(
                lambda: self.value("SELECT count(*) FROM swa_runtime_workerheartbeat") > before or process.popen.poll(),
                "the worker's first heartbeat",
            )
            yield process

    def load(self, *types: str, number: int, distinct: bool = False) -> None:
        """Store so many events; they become due at the same moment."""
        self.manage("bench_load", *types, "--number", str(number), *(["--distinct"] if distinct else []))

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        url = self.environment["DATABASE_URL"]
        if self.kind == SQLITE:
            with contextlib.closing(sqlite3.connect(url.removeprefix("sqlite:///"), timeout=20)) as file:
                return file.execute(sql).fetchall()
        if self.looker is None or self.looker.closed:
            self.looker = psycopg.connect(url, autocommit=True)
        return self.looker.execute(sql.encode()).fetchall()

    def value(self, sql: str) -> Any:
        return self.rows(sql)[0][0]

    def count(self, where: str = "true") -> int:
        """How many events are so."""
        return int(self.value(f"SELECT count(*) FROM swa_webhooks_webhookevent WHERE {where}"))  # noqa: S608 - our own

    def size(self) -> int:
        """Bytes of its database, without the dead rows that PostgreSQL reclaims by itself later."""
        if self.kind == SQLITE:
            return int(self.value("PRAGMA page_count")) * int(self.value("PRAGMA page_size"))
        with psycopg.connect(self.environment["DATABASE_URL"], autocommit=True) as connection:
            connection.execute("VACUUM FULL")
        return int(self.value("SELECT pg_database_size(current_database())"))

    def seconds(self, column: str) -> str:
        """SQL: the time between the earliest and the latest."""
        if self.kind == SQLITE:
            return f"(julianday(max({column})) - julianday(min({column}))) * 86400"
        return f"extract(epoch from max({column}) - min({column}))"

    def done(self) -> bool:
        return not self.count("state IN ('pending', 'processing')")


@contextlib.contextmanager
def site(setup: Setup, kind: str, provider: Provider | None = None, **changes: str) -> Iterator[Site]:
    """A site with a migrated database of this kind. Raises NotHere."""
    with machine.database(setup, kind) as url:
        defaults = {
            "DJANGO_SETTINGS_MODULE": "benchmarks.settings",
            "SITE_APPS": "benchmarks.shop",
            "SLACK_BOT_TOKEN": "xoxb-benchmark",
            "SLACK_API_URL": f"{provider.url if provider else NOWHERE}/api/",
        }
        found = Site(setup, kind, machine.environment(url, **defaults | changes))
        _migrate(found)
        try:
            yield found
        finally:
            if found.looker:
                found.looker.close()


class Stripe:
    """Posts signed events on a kept connection, as Stripe does."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def post(self, body: str) -> int:
        """The status of the answer."""
        signature = stripe.WebhookSignature.generate_signature_header(body, machine.SECRET)
        headers = {"Stripe-Signature": signature, "Content-Type": "application/json"}
        self._connection.request("POST", "/stripe/default/", body.encode(), headers)
        answer = self._connection.getresponse()
        answer.read()
        return answer.status


def _migrate(found: Site) -> None:
    """The tables; of SQLite they are made once and copied."""
    if found.kind != SQLITE:
        found.manage("migrate", "--verbosity", "0")
        return
    file = Path(found.environment["DATABASE_URL"].removeprefix("sqlite:///"))
    template = found.setup.folder / "template.sqlite3"
    if not template.exists():
        found.manage("migrate", "--verbosity", "0")
        found.rows("PRAGMA wal_checkpoint(TRUNCATE)")
        shutil.copy(file, template)
    else:
        shutil.copy(template, file)
