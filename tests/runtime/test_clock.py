from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.db.backends.signals import connection_created
from django.utils import timezone

from alerts_runtime.leasing import clock, holders

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("servers_clock")]
SOON = timedelta(seconds=1)
server = pytest.mark.skipif(connection.vendor != "postgresql", reason="a file has no clock of its own")


def servers_time() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        at: datetime = cursor.fetchone()[0]
    return at


def set_to(monkeypatch: pytest.MonkeyPatch, off: timedelta) -> None:
    """The machine's clock is set."""
    now = timezone.now
    monkeypatch.setattr(timezone, "now", lambda: now() + off)


def test_before_it_was_measured_it_is_this_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    set_to(monkeypatch, timedelta(hours=1))
    assert abs(clock.now() - timezone.now()) < SOON


@server
@pytest.mark.parametrize("off", [timedelta(minutes=10), timedelta(minutes=-10)])
def test_it_is_the_databases_however_this_machines_clock_is_set(
    monkeypatch: pytest.MonkeyPatch, off: timedelta
) -> None:
    set_to(monkeypatch, off)
    holders.Beat().beat()  # a process of a worker says that it lives
    assert abs(clock.now() - servers_time()) < SOON
    set_to(monkeypatch, 3 * off)
    assert abs(clock.now() - servers_time()) < SOON


@server
def test_between_two_measurements_it_goes_on_by_the_monotonic_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = [1000.0]
    monkeypatch.setattr(clock, "monotonic", lambda: seconds[0])
    clock.measure()
    at = clock.now()
    seconds[0] += 2.5
    assert clock.now() - at == timedelta(seconds=2.5)


@server
@pytest.mark.django_db(transaction=True)
def test_what_connecting_takes_is_no_part_of_the_question(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a process that measures as it connects is ahead, and what it says is due at once is due later to others."""
    seconds = [1000.0]
    monkeypatch.setattr(clock, "monotonic", lambda: seconds[0])

    def connected(**_: object) -> None:
        seconds[0] += 20

    connection.close()
    connection_created.connect(connected)
    try:
        clock.measure()
    finally:
        connection_created.disconnect(connected)
    assert seconds[0] == 1020.0
    assert abs(clock.now() - servers_time()) < SOON


def test_a_file_is_used_on_one_machine_and_has_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("SQLite")
    clock.measure()
    set_to(monkeypatch, timedelta(minutes=10))
    assert abs(clock.now() - timezone.now()) < SOON


@server
@pytest.mark.parametrize("off", [timedelta(minutes=10), timedelta(minutes=-10)])
def test_a_clock_that_is_set_here_brings_nothing_forward(monkeypatch: pytest.MonkeyPatch, off: timedelta) -> None:
    """It would be early for all machines."""
    stepped = clock.SteppedBack()
    clock.measure()
    stepped.since(clock.now())
    set_to(monkeypatch, off)
    clock.measure()
    assert stepped.since(clock.now()) is None
