"""Turns at SQLite's one write lock, for the processes that share a file.

SQLite lets whoever finds it taken sleep for 1, 2, 5, … 100 ms and look again: with two processes that only insert, a
fifth of the throughput and half of the 99th percentile went there (measured). A turn is a hint: whoever has waited
too long for one goes on without, and SQLite decides. https://www.sqlite.org/c3ref/busy_timeout.html
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from alerts_runtime.database.private_files import OWNER, mode_beside
from alerts_runtime.redaction.loggers import get_logger

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]  # asked for below

log = get_logger(__name__)
LOOK_EVERY = 0.0003  # seconds
PATIENCE = 1.0  # seconds; a holder that was stopped must not stop others


@contextlib.contextmanager
def turn(database: Path) -> Iterator[None]:
    """Within: our turn, most of the time. Not for two threads of one process at once."""
    file = _file(database, os.getpid()) if fcntl else None
    if file is None:
        yield
        return
    end = time.monotonic() + PATIENCE
    mine = _take(file)
    while not mine and time.monotonic() < end:
        time.sleep(LOOK_EVERY)
        mine = _take(file)
    try:
        yield
    finally:
        if mine:
            fcntl.flock(file, fcntl.LOCK_UN)


def _take(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


@cache
def _file(database: Path, _process: int) -> int | None:
    """Its own in each process: what is inherited is one lock. None where there can be none: an event is worth more."""
    file = database.with_name(f"{database.name}-turn")
    try:
        with contextlib.suppress(FileExistsError):
            file.touch(OWNER, exist_ok=False)
            file.chmod(mode_beside(database))
        return os.open(file, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError as error:
        log.warning("write_lock.not_shared", reason=str(error))
        return None
