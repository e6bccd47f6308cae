"""A write that survives a kept connection which has gone bad since: it is made again, once, on a new one."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import TypeVar

from django.db import Error, connection

from alerts_runtime.database import sqlite

T = TypeVar("T")


def on_a_good_connection(write: Callable[[], T]) -> T:
    """What `write` returns. It may run twice: only for what is harmless to repeat.

    Whether a kept connection still works is found out by using it: Django asks first, a round trip each time.
    """
    connection.health_check_done = True  # type: ignore[attr-defined]  # django-stubs does not know it
    try:
        return write()
    except Exception as error:
        if connection.in_atomic_block or connection.connection is None or not _is_at_fault(error):
            raise
        connection.close()
        return write()


def _is_at_fault(error: Exception) -> bool:
    """Another connection may succeed: this one is broken, cannot write, or has open a file that was replaced."""
    if isinstance(error, sqlite.FileReplaced):
        file = sqlite.shared_file()
        return file is not None and file.exists()  # SQLite would make an empty one in its place
    if not connection.is_usable():
        return True
    return _is_read_only(error)


def _is_read_only(error: Exception) -> bool:
    """After a failover a kept session may be one on a standby; a SQLite file may have been made writable since."""
    cause = error.__cause__
    if isinstance(cause, sqlite3.Error):
        return getattr(cause, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_READONLY
    if connection.vendor != "postgresql":
        return False
    try:
        with connection.cursor() as cursor:
            cursor.execute("SHOW transaction_read_only")
            return bool(cursor.fetchone() == ("on",))
    except Error:
        return True
