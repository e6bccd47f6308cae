"""Wake-ups between the processes that share a SQLite file: each worker reads a named pipe beside it.

https://man7.org/linux/man-pages/man7/fifo.7.html. Where there are none (Windows), workers look once a second.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import select
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from alerts_runtime.database.private_files import OWNER, mode_beside

MARK = "-wake-"  # between the database's name and that of a reader
STALE_AFTER = 10.0  # seconds after which a pipe that nobody reads was left by a process that died
_SIZE = 4096

_own: set[str] = set()


def send(database: Path, topic: str) -> None:
    """Tell every other process that listens beside this database; one that does not read misses it. Raises OSError."""
    prefix = f"{database.name}{MARK}"
    for name in os.listdir(database.parent):  # noqa: PTH208 - half the time of Path.iterdir
        if name.startswith(prefix) and name not in _own:
            _write(database.parent / name, topic)


@contextlib.contextmanager
def hearing(database: Path) -> Iterator[Callable[[float], set[str]]]:
    """Within, a function that waits so many seconds and returns the topics that other processes have sent.

    It raises OSError when the pipe is gone.
    """
    pipe = database.with_name(f"{database.name}{MARK}{os.getpid()}-{secrets.token_hex(4)}")
    os.mkfifo(pipe, OWNER)
    _own.add(pipe.name)
    try:
        pipe.chmod(mode_beside(database))
        # For writing too: else it is at its end whenever nobody has it open.
        reader = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)

        def hear(timeout: float) -> set[str]:
            if select.select([reader], [], [], timeout)[0]:
                return set(os.read(reader, _SIZE).decode(errors="replace").split())
            pipe.stat()
            return set()

        with contextlib.closing(os.fdopen(reader, "rb", buffering=0)):
            yield hear
    finally:
        _own.discard(pipe.name)
        pipe.unlink(missing_ok=True)


def _write(pipe: Path, topic: str) -> None:
    try:
        if not stat.S_ISFIFO(pipe.lstat().st_mode):
            return  # a file of somebody else's
        writer = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except FileNotFoundError:
        return
    except OSError as error:
        if error.errno != errno.ENXIO:
            raise
        with contextlib.suppress(OSError):
            if time.time() - pipe.stat().st_mtime > STALE_AFTER:
                pipe.unlink()
        return
    try:
        if stat.S_ISFIFO(os.fstat(writer).st_mode):  # it may have been replaced since
            with contextlib.suppress(BlockingIOError):  # it is full of wake-ups already
                os.write(writer, f"{topic}\n".encode())
    finally:
        os.close(writer)
