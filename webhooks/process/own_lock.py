"""Whether a handler got SQLite's "database is locked" since its own transaction had the write lock.

That is a bug of the handler, and waiting does not help; every other such error goes away by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import FrameType

from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

from alerts_runtime.failures import foreign

_LINKS, _FRAMES = 5, 1000


def is_own_lock(error: BaseException) -> bool:
    """For an error that came while this thread's transaction on the events' database had written something.

    Another connection to the same file (a second alias, sqlite3 by hand, a thread that the handler waits for) must have
    waited for that transaction. The transaction's own connection, or one to another file, has waited for others.
    """
    if connection.vendor != "sqlite":
        return False
    failed = next(_connections(error), None)
    if failed is None:
        return True
    same_file = str(failed.settings_dict["NAME"]) == str(connection.settings_dict["NAME"])
    return same_file and failed.connection is not connection.connection


def _connections(error: BaseException) -> Iterator[BaseDatabaseWrapper]:
    """Django's connections that an error came through."""
    link: BaseException | None = error
    for _ in range(_LINKS):
        if link is None:
            return
        for frame in _frames(link):
            owner = frame.f_locals.get("self")
            if isinstance(owner, BaseDatabaseWrapper):
                yield owner
            elif isinstance(owner, CursorWrapper):
                yield owner.db
        link = foreign.cause_of(link) or foreign.context_of(link)


def _frames(error: BaseException) -> Iterator[FrameType]:
    step = foreign.frames_of(error)
    for _ in range(_FRAMES):
        if step is None:
            return
        if step.tb_frame.f_code.co_name in ("_execute", "_executemany", "_commit"):
            yield step.tb_frame
        step = step.tb_next
