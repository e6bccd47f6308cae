"""The file that the processes of a site share when its database is SQLite."""

from __future__ import annotations

import os
import sqlite3
from functools import cache
from pathlib import Path
from typing import Any

from django.db import OperationalError, connection
from django.db.backends.signals import connection_created

_Identity = tuple[int, int]


class FileReplaced(OperationalError):  # noqa: N818 - what happened to the file
    """This connection has a file open that is no longer the site's database: what it writes would be lost."""


def shared_file() -> Path | None:
    """The default database's file; None when it is another database, or in memory."""
    return _file_of(connection)


def check_file() -> None:
    """Raise FileReplaced when another file has taken the place of the one that this thread's connection has open."""
    opened = getattr(connection, "opened_file", None)
    if opened is None or connection.connection is None or (file := shared_file()) is None:
        return
    if _identity(file) != opened:
        raise FileReplaced("The SQLite file was replaced or removed while it was in use.")


def is_busy(error: BaseException) -> bool:
    """Whether SQLite gave up since another connection kept the write lock for longer than the timeout."""
    return getattr(error.__cause__, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY


def _file_of(wrapper: Any) -> Path | None:
    return _path(str(wrapper.settings_dict["NAME"])) if wrapper.vendor == "sqlite" else None


@cache
def _path(name: str) -> Path | None:
    """Made once: asked for three times at every event, paths were a twentieth of a request (measured)."""
    return None if ":memory:" in name or name.startswith("file:") else Path(name).absolute()


def _identity(file: Path) -> _Identity | None:
    try:
        found = os.stat(file)  # noqa: PTH116 - asked for at every event: half the time of Path.stat
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _remember_file(connection: Any, **_: Any) -> None:
    file = _file_of(connection)
    connection.opened_file = _identity(file) if file else None


connection_created.connect(_remember_file, dispatch_uid="alerts_runtime.database.sqlite")
