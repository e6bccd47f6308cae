"""A limit on how long a database may take to answer. libpq has none for a connection that is established."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator

from django.db import connection


@contextlib.contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Cuts this thread's connection to PostgreSQL when the body takes longer: what waits there raises OperationalError.

    Not for every query: it costs a thread.
    """
    connection.ensure_connection()  # which has a limit, connect_timeout
    if connection.vendor != "postgresql":
        yield
        return
    with socket.socket(fileno=os.dup(connection.connection.fileno())) as wire:
        cut = threading.Timer(seconds, _cut, [wire])
        cut.daemon = True
        cut.start()
        try:
            yield
        finally:
            cut.cancel()
            cut.join()


def _cut(wire: socket.socket) -> None:
    with contextlib.suppress(OSError):
        wire.shutdown(socket.SHUT_RDWR)
