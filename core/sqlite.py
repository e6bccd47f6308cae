"""The file that the processes of a site share when its database is SQLite."""

from __future__ import annotations

from pathlib import Path

from django.db import connection


def shared_file() -> Path | None:
    """None: the database is another, or in memory."""
    name = str(connection.settings_dict["NAME"])
    is_file = ":memory:" not in name and not name.startswith("file:")
    return Path(name).absolute() if connection.vendor == "sqlite" and is_file else None
