"""Runs the tests: all of them on SQLite, those of a database on PostgreSQL too, the acceptance tests on each engine.

A machine without PostgreSQL, RabbitMQ or Redis leaves that part out and says so; with CI set, each must be there.
SUITE="postgresql huey" runs only these parts; the first one also runs the tests that use no database or take long.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from urllib.parse import urlsplit

POSTGRES = os.environ.get("TEST_POSTGRES_URL", "postgres://postgres@127.0.0.1:5432/postgres")
RABBITMQ = os.environ.get("BROKER_URL", "amqp://guest:guest@127.0.0.1:5672//")
REDIS = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0")


@dataclass(frozen=True)
class Part:
    """A run of pytest, and the servers that it needs."""

    name: str
    servers: tuple[str, ...] = ()
    database: str = ""
    engine: str = "worker"


PARTS = (
    Part("sqlite"),
    Part("postgresql", (POSTGRES,), POSTGRES),
    Part("celery", (POSTGRES, RABBITMQ), POSTGRES, "celery"),
    Part("huey", (POSTGRES, REDIS), POSTGRES, "huey"),
)


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - a program's output


def why_not(part: Part) -> str:
    """Empty when its servers listen, else which one does not."""
    for url in part.servers:
        where = urlsplit(url)
        try:
            socket.create_connection((where.hostname or "", where.port or 0), timeout=3).close()
        except OSError as error:
            return f"{where.scheme}://{where.hostname}:{where.port} cannot be reached: {error}"
    return ""


def run(part: Part, *, everything: bool) -> int:
    again = ["--database-only", "--no-stories"]
    which = ["tests/acceptance"] if part.engine != "worker" else [] if everything else again
    environment = os.environ | {
        "TEST_DATABASE_URL": part.database,
        "TEST_ENGINE": part.engine,
        "BROKER_URL": RABBITMQ,
        "REDIS_URL": REDIS,
    }
    command = [sys.executable, "-m", "pytest", "-q", "-n", "auto", "--maxprocesses", "4", *which, *sys.argv[1:]]
    return subprocess.run(command, env=environment, check=False).returncode


def main() -> int:
    asked = os.environ.get("SUITE", "").split() or [part.name for part in PARTS]
    if unknown := set(asked) - {part.name for part in PARTS}:
        sys.exit(f"SUITE: {', '.join(sorted(unknown))} is no part; there are {', '.join(p.name for p in PARTS)}.")
    failed, everything = 0, True
    for part in [part for part in PARTS if part.name in asked]:
        say(f"\n--- tests on {part.name} ---")
        if reason := why_not(part):
            if os.environ.get("CI"):
                sys.exit(f"In CI the tests on {part.name} must run: {reason}")
            say(f"Skipped: {reason}.")
            continue
        failed = run(part, everything=everything) or failed
        everything = False
    return failed


if __name__ == "__main__":
    sys.exit(main())
