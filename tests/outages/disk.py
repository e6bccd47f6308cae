"""The disk that SQLite is on fills up, and space is made again."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.acceptance.site import eventually
from tests.outages import stage
from tests.outages.load import Load
from tests.outages.report import Outcome, Unavailable

SIZE = "24m"
FULL = 5.0  # seconds


@contextlib.contextmanager
def _small(folder: Path) -> Iterator[None]:
    if os.geteuid() != 0:
        raise Unavailable("to mount a small tmpfs needs root")
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=755", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Unavailable(f"no tmpfs can be mounted here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def full(folder: Path) -> Outcome:
    """It is full under load for some seconds: 503, not 200, and all goes on by itself when there is space."""
    outcome = Outcome()
    with _small(folder), stage.site(folder, "sqlite") as site:
        processes, ballast = site.services(), folder / "ballast"
        with Load(site) as load:
            load.wait_for(60)
            with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
                while True:
                    file.write(b"x" * 4096)
            # SQLite goes on for a while in the space that its log has already.
            eventually(lambda: load.statuses()[503], what="a 503 for want of space")
            time.sleep(FULL)
            ballast.unlink()
            back = time.monotonic()
            load.wait_for(60)
        stage.recover(site, outcome, back)
        answers = load.statuses()
        outcome.check(set(answers) <= {200, 503}, f"the web process answered {dict(answers)}")
        outcome.check(set(load.statuses(back + 1)) == {200}, f"with space again it answered {load.statuses(back + 1)}")
        outcome.check(site.services() == processes, "a process ended")
        outcome.check(site.value("PRAGMA integrity_check") == "ok", "the database is damaged")
        outcome.said = f"503 to {answers[503]} of {len(load.answers)} posts"
        return stage.count(site, load, outcome)
