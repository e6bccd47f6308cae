"""nginx as deploy/nginx.conf sets it up, in front of a web service."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.acceptance.site import ROOT, eventually, free_port

PROGRAM = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
PATIENCE = 2  # seconds, instead of the ten that it ships with


@contextlib.contextmanager
def in_front_of(port: int, folder: Path) -> Iterator[int]:
    """The port that it listens on. Only ports, certificate and patience are not as it ships."""
    listens = free_port()
    folder.mkdir(exist_ok=True)
    (folder / "nginx.conf").write_text(_main(_here(port, listens), folder))
    process = subprocess.Popen(
        [str(PROGRAM), "-p", str(folder), "-c", str(folder / "nginx.conf")], start_new_session=True
    )
    try:
        eventually(lambda: answers(listens), what="nginx's first answer")
        yield listens
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(10)


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _here(port: int, listens: int) -> str:
    text = (ROOT / "deploy" / "nginx.conf").read_text()
    for shipped, here in (
        ("127.0.0.1:8000", f"127.0.0.1:{port}"),
        ("listen 443 ssl;", f"listen 127.0.0.1:{listens};"),
        ("    ssl_certificate /etc/ssl/stripe-alerts.crt;\n", ""),
        ("    ssl_certificate_key /etc/ssl/stripe-alerts.key;\n", ""),
        ("client_header_timeout 10s;", f"client_header_timeout {PATIENCE}s;"),
        ("client_body_timeout 10s;", f"client_body_timeout {PATIENCE}s;"),
    ):
        assert text.count(shipped) == 1, shipped
        text = text.replace(shipped, here)
    return text


def _main(server: str, folder: Path) -> str:
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    paths = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    # As root it would work as another user, who may not write into a test's folder.
    user = "user root;\n" if os.geteuid() == 0 else ""
    return (
        f"{user}daemon off;\npid {folder}/pid;\nerror_log {folder}/error.log;\nevents {{}}\n"
        f"http {{\naccess_log off;\n{paths}{server}}}\n"
    )
