"""Keeps what a handler leaves behind in its thread from reaching the next event.

Each event gets a copy of the context (active language and time zone, decimal context, structlog's variables, a site's
own). Afterwards open cursors are closed, and a database connection with an open transaction or changed session is
replaced.
"""

from __future__ import annotations

import contextvars
import decimal
import locale
import re
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any, TypeVar

from django.db import InterfaceError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from alerts_runtime.redaction.loggers import get_logger

logger = get_logger(__name__)
T = TypeVar("T")
# Statements whose effect outlives a transaction, unlike SET LOCAL.
_BEGINS = re.compile(
    r"\s*(?:set\s+(?!local\b|constraints\b|transaction\b)|reset\b|listen\b|load\b|prepare\b"
    r"|declare\b.*\bwith\s+hold\b|create\s+(?:global\s+|local\s+)?temp|attach\b|pragma\s+\w+\s*=)",
    re.IGNORECASE | re.DOTALL,
)
_CALLS = re.compile(r"\bset_config\s*\((?![^;]*,\s*true\s*\))|\bpg_(?:try_)?advisory_lock", re.IGNORECASE)
_NAMES = ("set_config", "advisory_lock")  # every statement is asked, and to look for the calls takes longer
_IDLE = 0  # libpq calls it PQTRANS_IDLE
_this_thread = threading.local()


class Sessions:
    """The database connections of one thread while handlers run in it."""

    def __init__(self) -> None:
        self.connections: list[BaseDatabaseWrapper] = []
        self._cursors: list[weakref.ref[Any]] = []
        self._inside: set[str] = set()  # aliases in a transaction of the caller's (a test's): not ours to end
        self._changed: set[str] = set()
        self._refused = False
        self.over = False  # its handlers have ended

    def watch(self, connection: BaseDatabaseWrapper) -> None:
        if connection not in self.connections:
            self.connections.append(connection)
            if connection.in_atomic_block:
                self._inside.add(connection.alias)
            connection.execute_wrappers.append(self._see)

    def _see(self, execute: Callable[..., T], sql: Any, params: Any, many: bool, context: dict[str, Any]) -> T:
        if self._refused:
            raise InterfaceError("This attempt timed out: another may be under way.")
        self._cursors.append(weakref.ref(context["cursor"]))
        if isinstance(sql, str) and _changes_the_session(sql):
            self._changed.add(context["connection"].alias)
        return execute(sql, params, many, context)

    def refuse(self) -> None:
        """Fail every further statement on these connections: the attempt has timed out."""
        self._refused = True

    def stop_watching(self) -> None:
        for connection in self.connections:
            with suppress(ValueError):
                connection.execute_wrappers.remove(self._see)

    def tidy(self) -> None:
        """Leave the connections as if they had just been opened, whatever state they are in."""
        for cursor in filter(None, (reference() for reference in self._cursors)):
            with suppress(Exception):  # a broken connection's
                cursor.close()
        for connection in self.connections:
            try:
                reason = self._unclean(connection)
            except Exception:  # noqa: BLE001 - the driver's, each has its own
                reason = "it is broken"
            if reason:
                logger.warning("handler.connection_unclean", database=connection.alias, reason=reason)
                _replace(connection)

    def _unclean(self, connection: BaseDatabaseWrapper) -> str:
        if connection.connection is None or connection.alias in self._inside:
            return ""
        if self.in_transaction(connection):
            return "a transaction was open, or autocommit was off"
        return "the session was changed" if connection.alias in self._changed else ""

    def in_transaction(self, connection: BaseDatabaseWrapper) -> bool:
        """Whether a transaction is open that was not when the handlers began."""
        if connection.alias in self._inside:
            return False
        unlike = connection.autocommit != connection.settings_dict["AUTOCOMMIT"]
        return connection.in_atomic_block or unlike or begun(connection) is True


def _changes_the_session(sql: str) -> bool:
    if _BEGINS.match(sql):
        return True
    text = sql.lower()
    return any(name in text for name in _NAMES) and _CALLS.search(sql) is not None


def begun(connection: BaseDatabaseWrapper) -> bool | None:
    """Whether a transaction is open, by the driver rather than by Django; None when the driver does not tell."""
    session = connection.connection
    if session is None:
        return False
    if connection.vendor == "sqlite":
        return bool(session.in_transaction)
    return bool(session.info.transaction_status != _IDLE) if connection.vendor == "postgresql" else None


@contextmanager
def sessions() -> Iterator[Sessions]:
    """Watch this thread's connections, with those that are opened within, and tidy them at the end."""
    found = _this_thread.sessions = Sessions()
    for connection in connections.all(initialized_only=True):
        found.watch(connection)
    try:
        yield found
    finally:
        _this_thread.sessions = None
        found.stop_watching()
        found.tidy()
        found.over = True


def in_its_own_context(run: Callable[[], T]) -> T:
    """Run it in a copy of the context. A changed locale, which is the whole process's, is set back and logged."""
    known = _locale()
    try:
        return contextvars.copy_context().run(_with_its_own_decimals, run)
    finally:
        if locale.setlocale(locale.LC_ALL) != known:
            logger.warning("handler.locale_changed", hint="It is the whole process's. Format with babel or Django.")
            locale.setlocale(locale.LC_ALL, known)


def _with_its_own_decimals(run: Callable[[], T]) -> T:
    decimal.setcontext(decimal.getcontext().copy())  # a copied context still holds the same one
    return run()


@cache
def _locale() -> str:
    return locale.setlocale(locale.LC_ALL)


def _replace(connection: BaseDatabaseWrapper) -> None:
    """Close it for good, so that the next use opens another. Django's close() alone does not within a transaction."""
    connection.in_atomic_block = False
    connection.savepoint_ids = []
    connection.run_on_commit = []
    connection.needs_rollback = False
    connection.closed_in_transaction = False
    with suppress(Exception):  # broken already
        connection.close()


def _on_created(*, connection: BaseDatabaseWrapper, **_: Any) -> None:
    if (watching := getattr(_this_thread, "sessions", None)) is not None:
        watching.watch(connection)


connection_created.connect(_on_created, dispatch_uid="webhooks.process.leftovers")
