"""Transactions that PostgreSQL refuses above READ COMMITTED, and expects to be made again.

https://www.postgresql.org/docs/current/mvcc-serialization-failure-handling.html
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from django.db import OperationalError, connection

T = TypeVar("T")
TRIES = 10
_LONGEST_PAUSE = 0.01  # seconds, times the number of the try; at random, so that two do not meet again


def until_serialized(write: Callable[[], T], *, is_final: Callable[[], bool] = lambda: False) -> T:
    """What `write` returns: a statement or a transaction of its own, which may run several times.

    `is_final` is asked after an error: true means that its transaction was committed all the same.
    """
    for number in range(1, TRIES):
        try:
            return write()
        except OperationalError as error:
            if connection.in_atomic_block or is_final() or not _is_refused(error):
                raise
        time.sleep(random.uniform(0, number * _LONGEST_PAUSE))  # noqa: S311 - spreads load, keeps no secret
    return write()


def _is_refused(error: OperationalError) -> bool:
    return getattr(error.__cause__, "sqlstate", "") == "40001"
