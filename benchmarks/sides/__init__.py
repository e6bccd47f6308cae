"""The sides that are compared: this project, the floor, dj-stripe. Each gets a database of its own, ready to use."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.machine import (
    ROOT,
    Process,
    Setup,
    database,
    environment,
    free_port,
    listens,
    manage,
    running,
    until,
)  # fmt: skip
from benchmarks.result import NotHere

OURS, FLOOR, DJSTRIPE = "this project", "floor", "dj-stripe"
_DJSTRIPE_PYTHON = Path(os.environ.get("BENCH_PYTHON", ROOT / ".venv-bench/bin/python"))
_ENDPOINT = str(uuid.UUID(int=1))


@dataclass(frozen=True)
class Side:
    """A site: how it is started, where it takes events and where it keeps them."""

    name: str
    python: str
    application: str
    environment: Mapping[str, str]
    path: str
    table: str

    def server(self, port: int, workers: int = 2) -> list[str]:
        """Gunicorn with sync workers, the same for every side."""
        return [
            *(self.python, "-m", "gunicorn", "--workers", str(workers), "--worker-class", "sync"),
            *("--bind", f"127.0.0.1:{port}", "--log-level", "warning", self.application),
        ]


@contextlib.contextmanager
def ours(setup: Setup, kind: str, **changes: str) -> Iterator[Side]:
    with database(setup, kind) as url:
        env = environment(url, **changes)
        manage(env, "migrate", "--verbosity", "0")
        yield Side(
            OURS,
            sys.executable,
            "core.wsgi:application",
            env,
            "/stripe/default/",
            "swa_webhooks_webhookevent",
        )


@contextlib.contextmanager
def floor(setup: Setup, kind: str) -> Iterator[Side]:
    with database(setup, kind) as url:
        env = environment(url, DJANGO_SETTINGS_MODULE="benchmarks.sides.floor.settings")
        _prepare(sys.executable, "benchmarks.sides.floor.prepare", env)
        yield Side(FLOOR, sys.executable, "benchmarks.sides.wsgi:application", env, "/stripe/", "floor_event")


@contextlib.contextmanager
def djstripe(setup: Setup, kind: str, api: str, **changes: str) -> Iterator[Side]:
    """`api`: the URL of stripe_api(). ALERTS="1" adds the alerts. Raises NotHere."""
    with database(setup, kind) as url:
        env = environment(
            url,
            DJANGO_SETTINGS_MODULE="benchmarks.sides.djstripe.settings",
            STRIPE_API_HOST=api,
            ENDPOINT=_ENDPOINT,
            **changes,
        )
        python = djstripe_python()
        _prepare(python, "benchmarks.sides.djstripe.prepare", env)
        path = f"/stripe/webhook/{_ENDPOINT}/"
        yield Side(DJSTRIPE, python, "benchmarks.sides.wsgi:application", env, path, "djstripe_event")


def djstripe_python() -> str:
    """The interpreter of dj-stripe's environment, which has the same Django where there is a choice. Raises NotHere."""
    if not _DJSTRIPE_PYTHON.exists():
        raise NotHere("dj-stripe is not installed: `make bench` does that.")
    return str(_DJSTRIPE_PYTHON)


@contextlib.contextmanager
def stripe_api(setup: Setup) -> Iterator[str]:
    """A fake of Stripe's API that answers at once, in a process of its own; its URL."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.sides.stripe_api", str(port)]
    with running(setup, command, environment("")):
        until(lambda: listens(port), "the fake Stripe's first answer")
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def serving(setup: Setup, side: Side, port: int, command: Sequence[str] = ()) -> Iterator[Process]:
    """Its web server, from the first answer on."""
    with running(setup, command or side.server(port), side.environment) as process:
        until(lambda: answers(port), f"the first answer of {side.name}")
        yield process


def answers(port: int, path: str = "/nothing") -> int:
    """The status of a GET; 0 while nobody answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def _prepare(python: str, module: str, env: Mapping[str, str]) -> None:
    subprocess.run([python, "-m", module], cwd=ROOT, env=env, check=True)  # noqa: S603 - our own
