"""Mistakes in the project's settings are found before they cost an event."""

from __future__ import annotations

from typing import Any

import pytest

from core import checks

SQLITE = "django.db.backends.sqlite3"
POSTGRESQL = "django.db.backends.postgresql"


@pytest.mark.parametrize(
    ("database", "found"),
    [
        ({"ENGINE": SQLITE, "OPTIONS": {"transaction_mode": "IMMEDIATE"}}, []),
        ({"ENGINE": SQLITE, "OPTIONS": {"timeout": 20}}, ["core.W001"]),
        ({"ENGINE": SQLITE}, ["core.W001"]),
        ({"ENGINE": POSTGRESQL}, []),
    ],
)
def test_sqlite_without_immediate_transactions_is_warned_of(
    database: dict[str, Any], found: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.checks.settings.DATABASES", {"default": database})
    assert [message.id for message in checks.sqlite_waits_for_its_turn()] == found


@pytest.mark.parametrize(("threads", "found"), [(1, []), (0, ["core.E001"]), (-1, ["core.E001"])])
def test_a_worker_without_threads_is_an_error(threads: int, found: list[str], settings: Any) -> None:
    settings.WORKER_THREADS = threads
    assert [message.id for message in checks.worker_has_threads()] == found
