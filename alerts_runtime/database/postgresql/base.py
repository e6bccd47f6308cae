"""Django's PostgreSQL backend, whose prepared statements outlive a rollback.

psycopg forgets them all then, in case what they name was created in the transaction that is undone. Here every failed
event is a rollback, and to plan all again took two fifths of PostgreSQL's time in a storm (measured).
https://docs.djangoproject.com/en/stable/ref/databases/#subclassing-the-built-in-database-backends
"""

from __future__ import annotations

from django.db.backends.postgresql import base
from django.db.backends.utils import debug_transaction
from psycopg.pq import ExecStatus, TransactionStatus

_IN_TRANSACTION = (TransactionStatus.INTRANS, TransactionStatus.INERROR)


class DatabaseWrapper(base.DatabaseWrapper):
    def _rollback(self) -> None:
        if not self._roll_back_and_remember():
            super()._rollback()  # type: ignore[misc]  # django-stubs does not know it; it says what is wrong

    def _roll_back_and_remember(self) -> bool:
        if self.connection is None:
            return False
        with self.connection.lock, debug_transaction(self, "ROLLBACK"):
            session = self.connection.pgconn
            if session.transaction_status not in _IN_TRANSACTION:
                return False
            return bool(session.exec_(b"ROLLBACK").status == ExecStatus.COMMAND_OK)
