"""A PostgreSQL of the test's own, to be stopped and cut off."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.acceptance.site import free_port
from tests.outages.report import Unavailable


def _binaries() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    anywhere = shutil.which("pg_ctl")
    if anywhere is None:
        raise Unavailable("PostgreSQL's own programs (pg_ctl, initdb) are not on this machine")
    return Path(anywhere).parent


class Cluster:
    """Durable like any other: what it has committed is there after `restart`."""

    def __init__(self, folder: Path, host: str = "127.0.0.1") -> None:
        self.host, self.port = host, free_port()
        self._bin = _binaries()
        self._folder = folder / "cluster"
        self._folder.mkdir()
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            for parent in (self._folder, *folder.parents):
                if parent.owner() == "root" and parent.stat().st_mode & 0o005 != 0o005:
                    parent.chmod(0o755)
            folder.chmod(0o755)
            shutil.chown(self._folder, "postgres")
        self._run("initdb", "-D", f"{self._folder}/data", "-U", "postgres", "-A", "trust", "--no-sync")
        with (self._folder / "data" / "pg_hba.conf").open("a") as rules:
            rules.write("host all all 0.0.0.0/0 trust\n")
        self.start()

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses={self.host},127.0.0.1 -c unix_socket_directories={self._folder}"
        self._control("start", "-o", options, "-l", f"{self._folder}/log")

    def crash(self) -> None:
        """As if its machine lost its power: no checkpoint, no good-bye."""
        self._control("stop", "-m", "immediate")

    def close(self) -> None:
        with contextlib.suppress(subprocess.CalledProcessError):
            self.crash()

    def _control(self, *command: str) -> None:
        self._run("pg_ctl", "-D", f"{self._folder}/data", "-w", "-s", *command)

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._bin / program), *arguments]
        if os.geteuid() == 0:
            command = ["runuser", "-u", "postgres", "--", *command]
        # Its server must not keep a pipe of ours open.
        subprocess.run(command, check=True, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@contextlib.contextmanager
def cluster(folder: Path, host: str = "127.0.0.1") -> Iterator[Cluster]:
    """A cluster on which every Site of this process has its database meanwhile."""
    found = Cluster(folder, host)
    try:
        with reached_at(host, found.port):
            yield found
    finally:
        found.close()


@contextlib.contextmanager
def reached_at(host: str, port: int) -> Iterator[None]:
    """Every Site of this process finds PostgreSQL there."""
    before = os.environ.get("TEST_POSTGRES_URL")
    os.environ["TEST_POSTGRES_URL"] = f"postgres://postgres@{host}:{port}/postgres"
    try:
        yield
    finally:
        del os.environ["TEST_POSTGRES_URL"]
        if before is not None:
            os.environ["TEST_POSTGRES_URL"] = before
