"""Refusals: counted in memory, written at most once a second, never on a request's thread."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from webhooks.models import Refusal
from webhooks.receive import refusals

pytestmark = pytest.mark.django_db(transaction=True)
NOON = datetime(2026, 3, 1, 12, 0, 10, tzinfo=UTC)


def test_a_flood_is_one_row_a_minute_and_reason() -> None:
    for second in range(100):
        refusals.count("default", "no_match", NOON + timedelta(seconds=second))
    refusals.count("default", "too_old", NOON)
    assert refusals.flush() == 3
    refusals.count("default", "no_match", NOON + timedelta(seconds=20))
    assert refusals.flush() == 1
    rows = Refusal.objects.filter(reason="no_match").order_by("minute")
    assert [(row.minute.minute, row.count) for row in rows] == [(0, 51), (1, 50)]
    assert rows[0].last_at == NOON + timedelta(seconds=20)
    assert refusals.flush() == 0


def test_a_refused_request_costs_no_statement_and_is_written_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusals, "FLUSH_AFTER", 0.05)
    flushed_by: list[str] = []
    add = refusals._add

    def spy(*arguments: object) -> None:
        flushed_by.append(threading.current_thread().name)
        add(*arguments)  # type: ignore[arg-type] # passed on as they came

    monkeypatch.setattr(refusals, "_add", spy)
    with CaptureQueriesContext(connection) as captured:
        for _ in range(5):
            assert Client().post("/stripe/default/", data=b"{}", content_type="application/json").status_code == 400
    assert len(captured) == 0
    deadline = time.monotonic() + 10
    while not Refusal.objects.filter(count=5).exists():
        assert time.monotonic() < deadline, "the refusals were not written"
        time.sleep(0.02)
    assert flushed_by
    assert threading.current_thread().name not in flushed_by
    for thread in threading.enumerate():
        if thread.name == "refusals":
            thread.join(10)  # its connection must be closed before the database goes


def test_what_cannot_be_written_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise OperationalError("database is locked")

    refusals.count("default", "no_match", NOON)
    with monkeypatch.context() as patch:
        patch.setattr(refusals, "_add", away)
        assert refusals.flush() == 0
    refusals.count("default", "no_match", NOON)
    assert refusals.flush() == 1
    assert Refusal.objects.get().count == 2
