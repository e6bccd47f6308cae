"""What a benchmark needs of the machine: fresh databases, processes to start and measure, numbers in order."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg

from benchmarks.result import NotHere

ROOT = Path(__file__).resolve().parents[1]
SECRET = "whsec_benchmark"  # noqa: S105 - signs the events of a database that is dropped afterwards
SQLITE, POSTGRESQL = "SQLite", "PostgreSQL"
DATABASES = (SQLITE, POSTGRESQL)


@dataclass(frozen=True)
class Setup:
    quick: bool
    alone: bool  # what was asked for by name takes its time
    folder: Path  # temporary
    rounds: int  # 3 or more
    postgres: str | None  # URL of a server where databases may be created; None: not reachable

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of database: a quick run measures SQLite alone."""
        return DATABASES[:1] if self.quick or not self.postgres else DATABASES


@dataclass(frozen=True)
class Process:
    """A process of its own session, with its children."""

    popen: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        return self.popen.pid

    def pss(self) -> float:
        """MB, shared pages counted by their share, children included."""
        return sum(_pss(pid) for pid in self.tree()) / 1024

    def cpu(self) -> float:
        """Seconds of CPU time used so far, by children too."""
        return sum(_cpu(pid) for pid in self.tree())

    def tree(self) -> list[int]:
        pids = [self.pid]
        for pid in pids:  # grows while it is walked
            with contextlib.suppress(OSError):
                for task in Path(f"/proc/{pid}/task").iterdir():
                    pids += [int(child) for child in (task / "children").read_text().split()]
        return pids

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, how)
        try:
            self.popen.wait(15)
        except subprocess.TimeoutExpired:
            self.stop(signal.SIGKILL)


@contextlib.contextmanager
def database(setup: Setup, kind: str) -> Iterator[str]:
    """The URL of an empty database of this kind, dropped afterwards. Raises NotHere."""
    name = f"bench_{secrets.token_hex(6)}"
    if kind == SQLITE:
        folder = setup.folder / name
        folder.mkdir()
        yield f"sqlite:///{folder / 'db.sqlite3'}"
        return
    if setup.postgres is None:
        raise NotHere("No PostgreSQL answers. Set BENCH_POSTGRES_URL.")
    with psycopg.connect(setup.postgres, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}".encode())
        try:
            yield f"{setup.postgres.rpartition('/')[0]}/{name}"
        finally:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def environment(database_url: str, **changes: str) -> dict[str, str]:
    """The environment of this project's processes: production's defaults, and nothing of the caller's own."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/"),
        "PYTHONPATH": str(ROOT),
        "DJANGO_SETTINGS_MODULE": "core.settings",
        "DJANGO_ENV_FILE": os.devnull,
        "SECRET_KEY": "benchmark-" + "x" * 50,
        "ALLOWED_HOSTS": "127.0.0.1",
        "HTTPS_ONLY": "false",
        "DATABASE_URL": database_url,
        "STRIPE_WEBHOOK_SECRET": SECRET,
        "SLACK_BOT_TOKEN": "xoxb-benchmark",
        "SLACK_API_URL": "http://127.0.0.1:9/",  # the discard port: nobody listens there
        **changes,
    }


def manage(environment: Mapping[str, str], *command: str) -> str:
    """Run manage.py and return what it prints. Raises RuntimeError."""
    whole = [sys.executable, "manage.py", *command]
    done = subprocess.run(whole, cwd=ROOT, env=environment, text=True, capture_output=True)  # noqa: S603 - our own
    if done.returncode:
        raise RuntimeError(f"manage.py {' '.join(command)}: {done.stderr}")
    return done.stdout


@contextlib.contextmanager
def running(
    setup: Setup, command: Sequence[str], environment: Mapping[str, str], cwd: Path = ROOT
) -> Iterator[Process]:
    """A process with a log file of its own; stopped (SIGTERM, then SIGKILL) afterwards."""
    log = setup.folder / f"{Path(command[-1]).name[:30]}-{secrets.token_hex(4)}.log"
    with log.open("wb") as output:
        popen = subprocess.Popen(  # noqa: S603 - a command of our own
            command, cwd=cwd, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    process = Process(popen, log)
    try:
        yield process
    finally:
        process.stop()


def worker_command() -> list[str]:
    return [sys.executable, "manage.py", "worker"]


def until(look: Callable[[], object], what: str, within: float = 60, every: float = 0.01) -> None:
    """Wait until `look` returns something true. Raises TimeoutError."""
    end = time.monotonic() + within
    while not look():
        if time.monotonic() > end:
            raise TimeoutError(f"{what} did not happen within {within:g} s")
        time.sleep(every)


def listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def median_best_worst(values: Sequence[float], *, more_is_better: bool = True) -> tuple[float, float, float]:
    low, high = min(values), max(values)
    return statistics.median(values), *((high, low) if more_is_better else (low, high))


def percentile(values: Sequence[float], percent: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def _pss(pid: int) -> int:
    """kB; 0 for a process that has gone."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def _cpu(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
