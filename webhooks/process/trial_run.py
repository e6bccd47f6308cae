"""Runs one event's handlers in a transaction that is always rolled back."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar

from django.db import connection, connections, transaction
from django.db.transaction import TransactionManagementError

from alerts_runtime.failures.foreign import is_interrupt
from alerts_runtime.isolation import later
from alerts_runtime.isolation.threads import close_connections
from webhooks import events
from webhooks.conf import config
from webhooks.handlers import matching
from webhooks.models import WebhookEvent
from webhooks.process import cut, run, statements, timeouts
from webhooks.process.errors import ErrorFacts, describe
from webhooks.process.leftovers import Sessions, in_its_own_context, sessions
from webhooks.process.ran import Ran

T = TypeVar("T")
State = WebhookEvent.State
WITHIN = 30.0  # seconds for one event, or HANDLER_TIMEOUT when that is less
_ENDS_IT = re.compile(r"^\s*(?:commit|end|begin|start\s+transaction|rollback(?!\s+to))\b", re.IGNORECASE)


class TrialRun:
    """One event's handlers, once."""

    def __init__(self, event_id: str) -> None:
        self.busy = self.partly = False
        self.hung: ErrorFacts | None = None
        self._event_id = event_id
        self._thread = threading.current_thread()
        self._sessions: Sessions | None = None
        self._ending = threading.Lock()
        self._over = False

    def run(self) -> ErrorFacts | None:
        """Run them; returns what they failed with, or None. Afterwards `busy` says that they were not run, since
        another worker has the event, and `hung` that they were cut off.

        Raises what a database raised before the handlers began.
        """
        return in_its_own_context(self._run)

    def _run(self) -> ErrorFacts | None:
        within = min(WITHIN, config().handler_timeout.total_seconds())
        timer = threading.Timer(within, self._time_out)
        timer.daemon = True
        timer.start()
        facts, began = None, False
        try:
            with later.discarded(), sessions() as self._sessions, _rolled_back():
                began = True
                self._handle(within)
        except BaseException as error:  # SystemExit in a handler is its failure here as well
            if not began or is_interrupt(error):
                raise
            facts = describe(error)
        finally:
            timer.cancel()
            with self._ending:
                self._over = True
        if self.hung and not connection.in_atomic_block:
            close_connections()
        return self.hung or facts

    def _handle(self, within: float) -> None:
        rows = WebhookEvent.objects.filter(event_id=self._event_id, state__in=[State.PENDING, State.DEAD])
        row = rows.select_for_update(skip_locked=True).first()
        if row is None:
            self.busy = True
            return
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute(f"SELECT {statements.limits()}", {"limit": int(within * 1000)})
        row.state, row.attempts = State.PROCESSING, row.attempts + 1  # as handlers see it; not written
        handlers = matching(row.type)
        self.partly = not all(handler.atomic for handler in handlers)
        run.in_transaction(row, events.parse(row.body, row.endpoint), Ran(handlers))

    def _time_out(self) -> None:
        with self._ending:
            if self._over:
                return
            error = timeouts.where_it_is(self._thread)
            self.hung = describe(error)
            error.__traceback__ = None  # it holds all that the handler has in its variables
            if watched := self._sessions:
                watched.refuse()
                cut.cut(watched.connections, self._thread, lambda: watched.over)


@contextmanager
def _rolled_back() -> Iterator[None]:
    """Within, a transaction on every database, which is rolled back at the end. Constraints that a commit would check
    are checked before, on PostgreSQL.
    """
    with ExitStack() as stack:
        for alias in connections:
            stack.enter_context(transaction.atomic(using=alias))
            stack.enter_context(connections[alias].execute_wrapper(_keep_open))
        yield
        for alias in connections:
            if connections[alias].vendor == "postgresql":
                connections[alias].check_constraints()  # SQLite would look through all of its tables
            transaction.set_rollback(True, using=alias)


def _keep_open(execute: Callable[..., T], sql: Any, params: Any, many: bool, context: dict[str, Any]) -> T:
    if isinstance(sql, str) and _ENDS_IT.search(sql):
        raise TransactionManagementError(f"A handler must not end the transaction by hand: {sql.split()[0].upper()}.")
    return execute(sql, params, many, context)
