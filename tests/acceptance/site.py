"""A whole site as its owner runs it: web and worker processes, a database of its own, and HTTP."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import re
import secrets
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
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
import pytest
import stripe

from tests.fakes.esp import FakeEsp
from tests.fakes.slack import FakeSlack
from tests.fakes.twilio import FakeTwilio

ROOT = Path(__file__).resolve().parents[2]
SECRET = "whsec_acceptance"
T = TypeVar("T")
# What runs beside `manage.py worker`, as in docs/howto/.
_CONSUMERS = {
    "celery": (
        *("-m", "celery", "-A", "django_tasks_fennel.app", "worker", "--loglevel", "INFO"),
        *("--without-mingle", "--without-gossip"),
    ),
    "huey": ("manage.py", "run_huey"),
}
_SHARE = 20  # connections of PostgreSQL that a web and a worker process take at most, measured
_making = threading.Lock()
_migrated: dict[tuple[str, ...], str] = {}  # a database of each kind, to be copied
_READY = {"celery": r"celery@\S+ ready", "huey": r"Huey consumer started"}


def eventually(look: Callable[[], T], within: float = 30.0, what: str = "it") -> T:
    """What `look` returns as soon as it is true. Raises AssertionError when that takes longer than `within` seconds."""
    began = time.monotonic()
    while True:
        found = look()
        if found:
            return found
        waited = time.monotonic() - began
        if waited > within:
            raise AssertionError(f"{what} did not happen within {within:g} s; last seen: {found!r}")
        time.sleep(min(max(waited / 10, 0.01), 0.1))  # to look more often would take time from what is waited for


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

    def __init__(
        self, folder: Path, database: str, size: int = 1, /, *, engine: str | None = None, **environment: str
    ) -> None:
        """`size`: how many web processes and workers it will have."""
        self.folder = folder
        self.port = free_port()
        self.mended = folder / "mended"
        self.engine = engine or engine_in_use()
        self._database = database
        self._name = f"acceptance_{secrets.token_hex(6)}"
        self._processes: list[subprocess.Popen[bytes]] = []
        self._workers: list[list[subprocess.Popen[bytes]]] = []
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": os.environ.get("HOME", "/"),
            "PYTHONPATH": str(ROOT),
            # Celery warns of root, and a test's machine may be a container.
            "PYTHONWARNINGS": "error,ignore:You're running the worker with superuser privileges",
            "DJANGO_SETTINGS_MODULE": "core.settings",
            "DJANGO_ENV_FILE": os.devnull,
            "SECRET_KEY": "acceptance-" + "x" * 50,
            "ALLOWED_HOSTS": "127.0.0.1",
            "HTTPS_ONLY": "false",
            "DATABASE_URL": self._url(),
            "SITE_APPS": "tests.acceptance.shop",
            "SHOP_MENDED": str(self.mended),
            "STRIPE_WEBHOOK_SECRET": SECRET,
            "ALERTS_LEASE": "3",
            "LOG_JSON": "true",
            "TASKS": self.engine,
            "TASKS_QUEUE": self._name,
            **{name: os.environ[name] for name in ("BROKER_URL", "REDIS_URL") if os.environ.get(name)},
            **environment,
        }
        self._opened = contextlib.ExitStack()
        if database == "postgresql":
            self._opened.enter_context(_places(size))
        self._looking: psycopg.Connection | None = None
        with _making:
            self._make_database()

    def close(self) -> None:
        for process in self._processes:
            self.kill(process)
        self._opened.close()
        if self.engine == "celery":
            _delete_queue(self.environment.get("BROKER_URL", "amqp://guest:guest@127.0.0.1:5672//"), self._name)
        if self._database == "postgresql":
            _drop(_server(), self._name)

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

    def start_worker(self, *, wait: bool = True) -> None:
        """What works on one machine: the worker, and beside it the engine that TASKS names, when that is ready."""
        processes = [self._start("worker", "manage.py", "worker")]
        if self.engine in _CONSUMERS:
            processes.append(self._start(self.engine, *_CONSUMERS[self.engine]))
            log = self.folder / f"{self.engine}-{len(self._processes) - 1}.log"
            if wait:
                eventually(lambda: re.search(_READY[self.engine], log.read_text()), what=f"{self.engine}'s readiness")
        self._workers.append(processes)

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
            return self._on_postgresql(sql).fetchall()
        with contextlib.closing(sqlite3.connect(self.folder / "site.sqlite3", timeout=20)) as file:
            return file.execute(sql).fetchall()

    def value(self, sql: str) -> Any:
        return self.rows(sql)[0][0]

    def execute(self, sql: str) -> None:
        if self._database == "postgresql":
            self._on_postgresql(sql)
            return
        with contextlib.closing(sqlite3.connect(self.folder / "site.sqlite3", timeout=20)) as file, file:
            file.execute(sql)

    def _on_postgresql(self, sql: str) -> psycopg.Cursor:
        """By a connection that is kept: a test that waits looks fifty times a second. A lost one is replaced."""
        if self._looking is not None:
            try:
                return self._looking.execute(sql)
            except psycopg.OperationalError:
                self._looking.close()
        self._looking = psycopg.connect(self.environment["DATABASE_URL"], autocommit=True)
        self._opened.callback(self._looking.close)
        return self._looking.execute(sql)

    @contextlib.contextmanager
    def nobody_writes(self) -> Iterator[None]:
        """Within, no other process has begun to write to SQLite's file: one frozen there keeps the lock."""
        if self._database == "postgresql":
            yield
            return
        path = self.folder / "site.sqlite3"
        with contextlib.closing(sqlite3.connect(path, timeout=20, isolation_level=None)) as file:
            file.execute("BEGIN IMMEDIATE")
            yield
            file.execute("ROLLBACK")

    def ago(self, **time: float) -> str:
        """A time in the past, as SQL."""
        zone = "+00" if self._database == "postgresql" else ""
        return f"'{datetime.now(UTC) - timedelta(**time):%Y-%m-%d %H:%M:%S.%f}{zone}'"

    def hurry(self) -> None:
        """The next attempt that is planned comes now: what time would do, without the wait."""
        planned = "SELECT count(*) FROM swa_webhooks_webhookevent WHERE state = 'pending' AND attempts > 0"
        eventually(lambda: self.value(planned), what="a planned attempt")
        self.execute(f"UPDATE swa_webhooks_webhookevent SET due_at = {self.ago(seconds=1)} WHERE state = 'pending'")

    def forget_throttle(self) -> None:
        """What was sent lies so far back that no throttle counts it."""
        self.execute(f"UPDATE swa_notifier_attempt SET started_at = {self.ago(days=2)} WHERE result = 'delivered'")
        self.execute("UPDATE swa_notifier_target SET next_at = NULL")

    def workers(self) -> list[subprocess.Popen[bytes]]:
        return [process for processes in self._workers for process in processes]

    def kill_workers(self) -> None:
        for process in self.workers():
            self.kill(process)

    def all_workers_dead(self) -> bool:
        """A machine of which one process died is dead: its other processes are killed too."""
        for processes in self._workers:
            if any(process.poll() is not None for process in processes):
                for process in processes:
                    self.kill(process)
        return all(process.poll() is not None for process in self.workers())

    def log(self, name: str = "") -> str:
        """What its processes have said, all of them or those of one name."""
        return "\n".join(path.read_text() for path in sorted(self.folder.glob(f"{name}*.log")))

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

    def _url(self) -> str:
        if self._database == "sqlite":
            return f"sqlite:///{self.folder / 'site.sqlite3'}"
        return f"{_server().rpartition('/')[0]}/{self._name}"

    def _make_database(self) -> None:
        """Migrated, or a copy of one that was: most of a site's start was its migrations."""
        names = ("SITE_APPS", "DJANGO_SETTINGS_MODULE")
        kind = (self._database, _server(), *(self.environment[name] for name in names))
        copy = _migrated.get(kind)
        if self._database == "postgresql":
            with psycopg.connect(_server(), autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {self._name} TEMPLATE {copy or 'template1'}")
        elif copy:
            shutil.copy(copy, self.folder / "site.sqlite3")
        if copy:
            return
        self.manage("migrate", "--verbosity", "0")
        _migrated[kind] = self._keep_copy()

    def _keep_copy(self) -> str:
        if self._database == "sqlite":
            path = Path(tempfile.mkdtemp(prefix="migrated-")) / "site.sqlite3"
            atexit.register(shutil.rmtree, path.parent, ignore_errors=True)
            return str(shutil.copy(self.folder / "site.sqlite3", path))
        name = f"{self._name}_migrated"
        with psycopg.connect(_server(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {self._name}")
        atexit.register(_drop, _server(), name)
        return name


@contextlib.contextmanager
def _places(wanted: int) -> Iterator[None]:
    """Within, a site has its share of PostgreSQL's connections, which all runs of tests on a machine have in common.

    Waits for the end of other sites while too few are left. One waits at a time, at the door: else a large site could
    wait for ever, since small ones would take each place that becomes free.
    """
    door, place = "hashtext('tests: the door')", "hashtext('tests: a place')"
    with psycopg.connect(_server(), autocommit=True) as connection:
        [allowed] = connection.execute("SHOW max_connections").fetchone() or ("100",)
        free = [*range(int(allowed) // _SHARE - 1)]  # the rest is for the tests' own connections
        connection.execute(f"SELECT pg_advisory_lock({door})")

        def take() -> bool:
            for one in free:
                [taken] = connection.execute(f"SELECT pg_try_advisory_lock({place}, %s)", [one]).fetchone() or [False]
                if taken:
                    free.remove(one)
                    mine.append(one)
                    return len(mine) == wanted
            return False

        mine: list[int] = []
        wanted = min(wanted, len(free))
        eventually(take, within=600, what="the end of other sites")
        connection.execute(f"SELECT pg_advisory_unlock({door})")
        yield


def _drop(server: str, name: str) -> None:
    with contextlib.suppress(psycopg.OperationalError), psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def engine_in_use() -> str:
    """Which engine this run of the tests is about: worker, celery or huey."""
    return os.environ.get("TEST_ENGINE", "worker")


same_on_each_engine = pytest.mark.skipif(engine_in_use() != "worker", reason="it is the same on each engine")


def _delete_queue(broker: str, name: str) -> None:
    from kombu.connection import Connection
    from kombu.exceptions import OperationalError

    with contextlib.suppress(OSError, OperationalError), Connection(broker, connect_timeout=2) as connection:
        connection.default_channel.queue_delete(name)


def _server() -> str:
    return os.environ.get("TEST_POSTGRES_URL", "postgres://postgres@127.0.0.1:5432/postgres")


@contextlib.contextmanager
def running(
    folder: Path, database: str, *, environment: Mapping[str, str], workers: int = 1, web: int = 1
) -> Iterator[Site]:
    """A site with its web process and so many workers."""
    site = Site(folder, database, max(workers, web), **environment)
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
