"""What cannot be stored is a 503 with its cause in the log, and readiness knows of it before a delivery does."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from django.db import DataError, InternalError, connection
from django.test import Client

from alerts_runtime.database import sqlite, trials
from tests.webhooks.stripe_side import deliver, received
from webhooks import samples
from webhooks.models import WebhookEvent
from webhooks.receive import store, views

ON_SQLITE = pytest.mark.skipif(connection.vendor != "sqlite", reason="it is about SQLite's file")
ON_POSTGRESQL = pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no sessions")


@pytest.fixture(autouse=True)
def _look_again() -> Iterator[None]:
    trials.trials.forget()
    yield
    trials.trials.forget()


def reasons() -> list[str]:
    return [reason["name"] for reason in Client().get("/readyz").json()["reasons"]]


@pytest.mark.django_db
@pytest.mark.parametrize(
    "error",
    [InternalError("read-only"), DataError("out of range"), OSError("no space left"), RuntimeError("x"), MemoryError()],
)
def test_whatever_is_raised_while_storing_stripe_is_asked_to_come_again(
    error: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(store, "store", fail)
    response = deliver(samples.snapshot("invoice.paid"))
    assert (response.status_code, response["Retry-After"]) == (503, views.RETRY_AFTER)
    assert type(error).__name__ in caplog.text
    assert str(error) not in response.content.decode() or not str(error)


@pytest.mark.django_db(transaction=True)
@ON_POSTGRESQL
def test_a_kept_session_that_became_read_only_is_replaced() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")
    assert received().deliveries == 1


@pytest.mark.django_db(transaction=True)
def test_a_database_that_takes_no_writes_answers_503_and_is_not_ready() -> None:
    assert "storing" not in reasons()
    trials.trials.forget()
    with read_only():
        response = deliver(samples.snapshot("invoice.paid"))
        found = reasons()
    assert response.status_code == 503
    assert found == ["storing"]
    trials.trials.forget()
    assert "storing" not in reasons()
    assert received().deliveries == 1


class read_only:  # noqa: N801 - reads as a statement
    """The whole database, for every connection."""

    def __enter__(self) -> None:
        self._set("on")

    def __exit__(self, *_: object) -> None:
        self._set("off")

    def _set(self, value: str) -> None:
        connection.close()
        with connection.cursor() as cursor:
            if connection.vendor == "sqlite":
                return self._set_sqlite(value)
            cursor.execute("SET default_transaction_read_only = off")
            cursor.execute(
                f'ALTER DATABASE "{connection.settings_dict["NAME"]}" SET default_transaction_read_only = {value}'
            )
        connection.close()
        return None

    def _set_sqlite(self, value: str) -> None:
        connection.close()
        command = connection.settings_dict["OPTIONS"]["init_command"].partition("PRAGMA query_only")[0]
        connection.settings_dict["OPTIONS"]["init_command"] = f"{command}PRAGMA query_only = {value};"


@pytest.mark.django_db(transaction=True)
def test_a_trial_leaves_nothing_behind_and_runs_at_most_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []

    def trial() -> None:
        store.try_to_store()
        tried.append(1)

    monkeypatch.setattr(trials, "_trials", [trial])
    known = trials.Trials()
    assert [known.failure(clock) for clock in (100.0, 100.9, 101.1)] == [None, None, None]
    assert len(tried) == 2
    assert not WebhookEvent.objects.exists()


@pytest.mark.django_db(transaction=True)
@ON_SQLITE
def test_a_disk_without_room_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_file: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert reasons() == ["storing"]


@pytest.mark.django_db(transaction=True)
@ON_SQLITE
def test_somebody_else_who_writes_is_no_reason() -> None:
    other = sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        assert "storing" not in reasons()
    finally:
        other.close()


# --- A file that is replaced ------------------------------------------------------------------------------------------


@pytest.fixture
def _file_again() -> Iterator[None]:
    """The tests' own file, whatever the test does to it."""
    connection.ensure_connection()
    file = sqlite.shared_file()
    assert file
    aside = file.with_name(f"{file.name}.aside")
    yield
    connection.close()
    if aside.exists():
        aside.replace(file)


@pytest.mark.django_db(transaction=True)
@ON_SQLITE
@pytest.mark.usefixtures("_file_again")
def test_a_delivery_goes_into_the_file_that_is_there_now() -> None:
    received()
    file = sqlite.shared_file()
    assert file
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    aside = file.with_name(f"{file.name}.aside")
    file.rename(aside)
    shutil.copy(aside, file)
    event: dict[str, Any] = samples.snapshot("invoice.paid")
    assert deliver(event).status_code == 200
    with closing(sqlite3.connect(file)) as there:
        assert there.execute("SELECT count(*) FROM swa_webhooks_webhookevent").fetchone() == (2,)


@pytest.mark.django_db(transaction=True)
@ON_SQLITE
@pytest.mark.usefixtures("_file_again")
def test_without_the_file_stripe_is_asked_to_come_again() -> None:
    received()
    file = sqlite.shared_file()
    assert file
    file.rename(file.with_name(f"{file.name}.aside"))
    assert deliver(samples.snapshot("invoice.paid")).status_code == 503
    assert not file.exists()  # an empty one in its place would stand in the way of a restore
