"""What is in a side's database, by a connection of its own."""

from __future__ import annotations

import contextlib
import sqlite3

import psycopg

from benchmarks.sides import Side


def value(url: str, sql: str) -> int:
    if url.startswith("sqlite:///"):
        with contextlib.closing(sqlite3.connect(url.removeprefix("sqlite:///"), timeout=20)) as file:
            return int(file.execute(sql).fetchone()[0])
    with psycopg.connect(url) as connection:
        row = connection.execute(sql.encode()).fetchone()
        return int(row[0]) if row else 0


def count(side: Side) -> int:
    """The events that it has stored."""
    return value(side.environment["DATABASE_URL"], f"SELECT count(*) FROM {side.table}")  # noqa: S608 - our own names
