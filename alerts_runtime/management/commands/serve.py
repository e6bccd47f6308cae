"""`manage.py serve`: the web process under granian and the worker, stopped together by one Ctrl-C."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
import subprocess
import sys
import threading
from argparse import ArgumentParser
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError

from alerts_runtime.management.command import PlainCommand, whole
from alerts_runtime.worker.runner import RESTART

STOP_WITHIN = 30  # seconds, longer than the worker's own limit
# Seconds that requests get to end. Without it granian waits for ever when it is stopped while it starts (2.8.7).
WEB_STOPS_WITHIN = "10"
# Milliseconds. For bodies granian has no such limit: a proxy has to wait for slow senders (deploy/nginx.conf).
HEADERS_WITHIN = "10000"


class Command(PlainCommand):
    help = "Serve for real on one machine: web and worker. Stops both when either ends or a signal comes."
    examples = (
        "",
        "--port 8080 --threads 16",
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=whole(1, 65_535), default=8000)
        parser.add_argument("--threads", type=whole(1, 1000), default=8, help="requests answered at once")

    def handle(self, **options: Any) -> None:
        _check(options["host"], options["port"])
        ended = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: ended.set())
        commands = {
            "web": _granian(options["host"], options["port"], options["threads"]),
            "worker": [sys.executable, "-m", "django", "worker"],
        }
        # A session of their own: a Ctrl-C reaches this process alone, which stops them in order.
        running = {name: _start(command) for name, command in commands.items()}
        self.stdout.write(f"http://{options['host']}:{options['port']}/stripe/default/ takes events; Ctrl-C stops.")
        died = _watch(running, commands, ended.wait)
        codes = {name: _stop(process) for name, process in running.items()}
        if died:
            raise CommandError(
                f"The {died} process ended by itself with exit code {codes[died]}: see its output above."
            )


def _check(host: str, port: int) -> None:
    """What granian would say in its own words, after the worker had started. Raises CommandError."""
    if find_spec("granian") is None:
        raise CommandError(
            "serve needs granian, which is not installed. Run `pip install granian`; or start your own server, and "
            "`manage.py worker`."
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                why = "another process listens there. Stop it, or give another --port"
            else:
                why = f"{error.strerror}. Give another --host or --port"
            raise CommandError(f"{host}:{port} cannot be used: {why}.") from error


def _application() -> str:
    """This site's own, whatever its project is called."""
    module, _, name = str(settings.WSGI_APPLICATION or "core.wsgi.application").rpartition(".")
    return f"{module}:{name}"


def _granian(host: str, port: int, threads: int) -> list[str]:
    return [
        *(sys.executable, "-m", "granian", "--interface", "wsgi", "--no-ws", "--workers", "1"),
        *("--blocking-threads", str(threads), "--workers-kill-timeout", WEB_STOPS_WITHIN),
        *("--http1-header-read-timeout", HEADERS_WITHIN),
        *("--host", host, "--port", str(port), _application()),
    ]


def _start(command: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, cwd=getattr(settings, "BASE_DIR", None), start_new_session=True)  # noqa: S603 - our own words


def _watch(
    running: dict[str, subprocess.Popen[bytes]], commands: Mapping[str, list[str]], wait: Callable[[float], bool]
) -> str:
    """Wait for a signal; the name of the process that ended before one came. A worker that asks for it is restarted."""
    while not wait(0.5):
        for name, process in running.items():
            if process.poll() == RESTART:
                running[name] = _start(commands[name])
            elif process.returncode is not None:
                return name
    return ""


def _stop(process: subprocess.Popen[bytes]) -> int:
    if process.poll() is None:
        process.terminate()
    try:
        return process.wait(STOP_WITHIN)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # with its children: an orphan would keep the port
        return process.wait()
