"""A whole site as its owner runs it: web and worker processes, a database of its own, and HTTP."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import environ
import psycopg
import stripe

from tests.fakes.esp import FakeEsp
from tests.fakes.slack import FakeSlack
from tests.fakes.twilio import FakeTwilio

ROOT = Path(__file__).resolve().parents[2]
SECRET = "whsec_acceptance"
T = TypeVar("T")


def eventually(look: Callable[[], T], within: float = 30.0, what: str = "it") -> T:
    """What `look` returns as soon as it is true. Raises AssertionError when that takes longer than `within` seconds."""
    end = time.monotonic() + within
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not happen within {within:g} s; last seen: {found!r}")
        time.sleep(0.02)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def event(kind: str = "invoice.paid", *, behaviour: str = "fine", **changes: Any) -> dict[str, Any]:
    """A live-mode event of EUR 1,250.00 whose handler will behave as asked."""
    token = secrets.token_hex(8)
    body: dict[str, Any] = {
        "id": f"evt_{token}",
        "object": "event",
        "api_version": "2026-10-28.endive",
        "created": int(time.time()),
        "livemode": True,
        "type": kind,
        "data": {
            "object": {
                "id": f"in_{token}",
                "object": "invoice",
                "status": "paid",
                "amount_paid": 125000,
                "amount_due": 125000,
                "currency": "eur",
                "customer": f"cus_{token[:8]}",
                "metadata": {"behaviour": behaviour},
            }
        },
    }
    return body | changes


@dataclass(frozen=True)
class Providers:
    """The three providers, listening on loopback."""

    slack: FakeSlack
    twilio: FakeTwilio
    esp: FakeEsp

    def environment(self) -> dict[str, str]:
        """What a site needs to use them."""
        return {
            "SLACK_BOT_TOKEN": "xoxb-acceptance-token",
            "SLACK_CHANNEL": "#payments",
            "SLACK_API_URL": self.slack.api_url,
            "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
            "TWILIO_AUTH_TOKEN": "acceptance-auth-token",
            "TWILIO_FROM": "+15005550006",
            "TWILIO_API_URL": self.twilio.url,
            "ONCALL_NUMBERS": "+4915112345678",
            "EMAIL_BACKEND": "anymail.backends.postmark.EmailBackend",
            "POSTMARK_SERVER_TOKEN": "acceptance-postmark-token",
            "POSTMARK_API_URL": self.esp.postmark_url,
            "DEFAULT_FROM_EMAIL": "alerts@shop.example",
            "ALERT_EMAIL_TO": "team@shop.example",
        }


class Site:
    """Start and stop its processes, kill them, post to it, and look into its database."""

    def __init__(self, folder: Path, database: str, **environment: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.mended = folder / "mended"
        self._database = database
        self._name = f"acceptance_{secrets.token_hex(6)}"
        self._processes: list[subprocess.Popen[bytes]] = []
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": os.environ.get("HOME", "/"),
            "PYTHONPATH": str(ROOT),
            "PYTHONWARNINGS": "error",
            "DJANGO_SETTINGS_MODULE": "core.settings",
            "DJANGO_ENV_FILE": os.devnull,
            "SECRET_KEY": "acceptance-" + "x" * 50,
            "ALLOWED_HOSTS": "127.0.0.1",
            "HTTPS_ONLY": "false",
            "DATABASE_URL": self._create(),
            "SITE_APPS": "tests.acceptance.shop",
            "SHOP_MENDED": str(self.mended),
            "STRIPE_WEBHOOK_SECRET": SECRET,
            "WEBHOOK_LEASE": "3",
            "LOG_JSON": "true",
            **environment,
        }
        self.manage("migrate", "--verbosity", "0")

    def close(self) -> None:
        for process in self._processes:
            self.kill(process)
        if self._database == "postgresql":
            with psycopg.connect(_server(), autocommit=True) as connection:
                connection.execute(f"DROP DATABASE IF EXISTS {self._name} WITH (FORCE)")

    def manage(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "manage.py", *command],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=check,
            timeout=120,
        )

    def start_web(self, workers: int = 1) -> subprocess.Popen[bytes]:
        process = self._start(
            "web", "-m", "granian", "--interface", "wsgi", "--no-ws", "--host", "127.0.0.1", "--port", str(self.port),
            "--workers", str(workers), "--blocking-threads", "4", "core.wsgi:application",
        )  # fmt: skip
        eventually(self._answers, what="the web process's first answer")
        return process

    def start_worker(self) -> subprocess.Popen[bytes]:
        return self._start("worker", "manage.py", "worker")

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """SIGKILL to the process and its children: nothing gets to clean up."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def post(self, body: dict[str, Any] | bytes, *, secret: str = SECRET, endpoint: str = "default") -> int:
        """The status that Stripe would see for a signed event; 0 when the server hung up before it had read it all."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        signature = stripe.WebhookSignature.generate_signature_header(raw.decode(), secret)
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/stripe/{endpoint}/",
            data=raw,
            headers={"Stripe-Signature": signature, "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except urllib.error.URLError:
            return 0

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Look into the database with a connection of its own."""
        if self._database == "postgresql":
            with psycopg.connect(self.environment["DATABASE_URL"]) as connection:
                return connection.execute(sql).fetchall()
        with contextlib.closing(sqlite3.connect(self.folder / "site.sqlite3", timeout=20)) as file:
            return file.execute(sql).fetchall()

    def value(self, sql: str) -> Any:
        return self.rows(sql)[0][0]

    def execute(self, sql: str) -> None:
        if self._database == "postgresql":
            with psycopg.connect(self.environment["DATABASE_URL"], autocommit=True) as connection:
                connection.execute(sql)
            return
        with contextlib.closing(sqlite3.connect(self.folder / "site.sqlite3", timeout=20)) as file, file:
            file.execute(sql)

    def ago(self, **time: float) -> str:
        """A time in the past, as SQL."""
        zone = "+00" if self._database == "postgresql" else ""
        return f"'{datetime.now(UTC) - timedelta(**time):%Y-%m-%d %H:%M:%S.%f}{zone}'"

    def hurry(self) -> None:
        """The next attempt that is planned comes now: what time would do, without the wait."""
        planned = "SELECT count(*) FROM webhooks_webhookevent WHERE state = 'pending' AND attempts > 0"
        eventually(lambda: self.value(planned), what="a planned attempt")
        self.execute(f"UPDATE webhooks_webhookevent SET due_at = {self.ago(seconds=1)} WHERE state = 'pending'")

    def forget_throttle(self) -> None:
        """What was sent lies so far back that no throttle counts it."""
        self.execute(f"UPDATE notifier_attempt SET started_at = {self.ago(days=2)} WHERE result = 'delivered'")
        self.execute("UPDATE notifier_target SET next_at = NULL")

    def expire_leases(self) -> None:
        """The leases on targets run out now."""
        self.execute(f"UPDATE notifier_target SET lease_until = {self.ago(seconds=1)} WHERE lease_until IS NOT NULL")

    def workers(self) -> list[subprocess.Popen[bytes]]:
        return [process for process in self._processes if "worker" in process.args]  # type: ignore[operator]  # a list

    def kill_workers(self) -> None:
        for process in self.workers():
            self.kill(process)

    def all_workers_dead(self) -> bool:
        return all(process.poll() is not None for process in self.workers())

    def log(self) -> str:
        return "\n".join(path.read_text() for path in sorted(self.folder.glob("*.log")))

    def _start(self, name: str, *command: str) -> subprocess.Popen[bytes]:
        log = self.folder / f"{name}-{len(self._processes)}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, *command],
                cwd=ROOT,
                env=self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._processes.append(process)
        return process

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return True
        except OSError:
            return False

    def _create(self) -> str:
        if self._database == "sqlite":
            return f"sqlite:///{self.folder / 'site.sqlite3'}"
        with psycopg.connect(_server(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {self._name}")
        return f"{_server().rpartition('/')[0]}/{self._name}"


def _server() -> str:
    return os.environ.get("TEST_POSTGRES_URL", "postgres://postgres@127.0.0.1:5432/postgres")


@contextlib.contextmanager
def running(
    folder: Path, database: str, *, environment: Mapping[str, str], workers: int = 1, web: int = 1
) -> Iterator[Site]:
    """A site with its web process and so many workers."""
    site = Site(folder, database, **environment)
    try:
        site.start_web(web)
        for _ in range(workers):
            site.start_worker()
        yield site
    finally:
        site.close()


def database_in_use() -> str:
    """Which database this run of the tests is about."""
    url = os.environ.get("TEST_DATABASE_URL", "")
    return (
        "postgresql"
        if environ.Env.db_url_config(url or "sqlite://:memory:")["ENGINE"].endswith("postgresql")
        else "sqlite"
    )
