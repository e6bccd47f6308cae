"""The site that the demo runs: its environment, its web process and its worker."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from demo.relay import Relay

ROOT = Path(__file__).resolve().parent.parent
SECRET = f"whsec_demo_{secrets.token_hex(16)}"
STOP_WITHIN = 10.0  # seconds
T = TypeVar("T")


class BrokenPromiseError(Exception):
    """Something that the demo promises did not happen; the text says what."""


def environment(folder: Path, stripe_api: str) -> dict[str, str]:
    """What differs from the .env, whose credentials, addresses and time zone stay in force. Empty means the default."""
    here = ",".join(filter(None, [os.environ.get("NO_PROXY") or os.environ.get("no_proxy"), "127.0.0.1"]))
    return {
        "DJANGO_SETTINGS_MODULE": "demo.settings",
        "DEMO": "true",
        "DEBUG": "false",
        "SECRET_KEY": secrets.token_urlsafe(50),
        "ALLOWED_HOSTS": "127.0.0.1",
        "HTTPS_ONLY": "false",
        "SITE_APPS": "demo.shop",
        "SITE_URL": "",  # its alerts are gone when the demo ends
        "HEARTBEAT_URL": "",
        "DATABASE_URL": "",
        "STRIPE_WEBHOOK_SECRET": SECRET,
        "STRIPE_WEBHOOK_ENDPOINTS": "",
        "WEBHOOK_MODE": "worker",
        "WEBHOOK_TOLERANCE": "",
        "WEBHOOK_MAX_BODY": "",
        "LOG_JSON": "false",
        "LOG_LEVEL": "INFO",
        "DEMO_FOLDER": str(folder),
        "DEMO_STRIPE_API": stripe_api,
        "NO_PROXY": here,
        "no_proxy": here,
        "PYTHONUNBUFFERED": "1",
        "PYTHONUTF8": "1",
    }


class Site:
    """Starts and stops the processes, and waits for what they do."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = ""
        self.relay = Relay()
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, width: int, *, colours: bool) -> None:
        """The web process and the worker, whose console twins print so wide."""
        looks = {"COLUMNS": str(width)} | ({"FORCE_COLOR": "1"} if colours else {"NO_COLOR": "1"})
        worker = self._start("worker", "manage.py", "worker", more=looks, output=subprocess.PIPE)
        assert worker.stdout is not None  # noqa: S101 - PIPE was asked for
        self.relay.listen_to(worker.stdout)
        port = _free_port()
        self.url = f"http://127.0.0.1:{port}/stripe/default/"
        self._start(
            "web", "-m", "granian", "--interface", "wsgi", "--no-ws", "--workers", "1", "--blocking-threads", "2",
            "--workers-kill-timeout", "2", "--host", "127.0.0.1", "--port", str(port), "core.wsgi:application",
        )  # fmt: skip
        self.wait(lambda: _answers(port), "the web process does not answer")

    def stop(self) -> None:
        """SIGTERM, and SIGKILL for what is left after a while, or at a second Ctrl-C."""
        for process in self._processes.values():
            process.terminate()
        try:
            end = time.monotonic() + STOP_WITHIN
            for process in self._processes.values():
                process.wait(max(0, end - time.monotonic()))
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            pass
        finally:
            for process in self._processes.values():
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def wait(self, look: Callable[[], T | None], otherwise: str, *, within: float = 30) -> T:
        """What `look` returns as soon as it is true. Raises BrokenPromiseError in the end, or when a process ended."""
        end = time.monotonic() + within
        while not (found := look()):
            for name, process in self._processes.items():
                if process.poll() is not None:
                    raise BrokenPromiseError(f"the {name} process ended by itself, with exit code {process.returncode}")
            if time.monotonic() > end:
                raise BrokenPromiseError(f"{otherwise} (waited for {within:g} seconds)")
            time.sleep(0.05)
        return found

    def _start(
        self, name: str, *command: str, more: dict[str, str] | None = None, output: int | None = None
    ) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(  # noqa: S603 - our own words
                [sys.executable, *command],
                cwd=ROOT,
                env=os.environ | (more or {}),
                stdin=subprocess.DEVNULL,
                stdout=log if output is None else output,
                stderr=log,
                start_new_session=True,  # a Ctrl-C reaches the demo alone, which stops them in order
            )
        self._processes[name] = process
        return process


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
