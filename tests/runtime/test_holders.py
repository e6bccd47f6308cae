"""Who lives is told by counters: those that stand still while others rise are of processes that are gone."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from alerts_runtime.isolation.threads import close_connections
from alerts_runtime.leasing import holders
from alerts_runtime.leasing.holders import BEATS, Beat
from alerts_runtime.models import Holder
from tests.runtime.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_process_that_raises_its_counter_is_never_gone() -> None:
    one, other = Beat(), Beat()
    for _ in range(4 * BEATS):
        one.beat()
        other.beat()
        assert one.gone([other.name]) == other.gone([one.name]) == set()


def test_one_that_beats_at_times_is_not_gone_either() -> None:
    watcher, slow = Beat(), Beat()
    for number in range(6 * BEATS):
        watcher.beat()
        if number % (BEATS - 1) == 0:
            slow.beat()
        assert watcher.gone([slow.name]) == set()


def test_one_that_stands_still_is_gone_after_so_many_beats_of_ones_own() -> None:
    watcher, dead = Beat(), Beat()
    dead.beat()
    for _ in range(BEATS):
        watcher.beat()
        assert watcher.gone([dead.name]) == set()
    watcher.beat()
    assert watcher.gone([dead.name]) == {dead.name}


def test_one_that_was_never_seen_counts_from_when_it_was_asked_for() -> None:
    watcher = Beat()
    for _ in range(3 * BEATS):
        watcher.beat()
    assert watcher.gone(["nobody"]) == set()
    for _ in range(BEATS):
        watcher.beat()
    assert watcher.gone(["nobody"]) == {"nobody"}


def test_whoever_cannot_write_frees_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that is locked, or away, silences all alike."""
    watcher, other = Beat(), Beat()
    other.beat()
    watcher.beat()
    monkeypatch.setattr(Holder.objects, "filter", lambda **_: 1 / 0)
    for _ in range(3 * BEATS):
        with pytest.raises(ZeroDivisionError):
            watcher.beat()
    assert watcher.gone([other.name]) == set()


def test_one_that_was_taken_for_gone_and_comes_back_lives() -> None:
    watcher, stopped = Beat(), Beat()
    stopped.beat()
    for _ in range(2 * BEATS):
        watcher.beat()
    assert watcher.gone([stopped.name])
    stopped.beat()
    watcher.beat()
    assert not watcher.gone([stopped.name])


def test_rows_of_those_that_are_gone_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holders, "FORGET_AFTER", 2 * BEATS)
    watcher, dead = Beat(), Beat()
    dead.beat()
    for _ in range(2 * BEATS + 2):
        watcher.beat()
    assert set(Holder.objects.values_list("name", flat=True)) == {watcher.name}
    dead.beat()  # it was only stopped
    assert Holder.objects.count() == 2


REALLY_START = Beat.start  # no test but the next one begins a thread


def test_a_process_says_by_itself_that_it_lives(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    """The real thread, until the end of the test."""
    over, ended = threading.Event(), threading.Event()

    def pause(seconds: float) -> None:
        if over.wait(seconds):
            close_connections()
            ended.set()
            threading.Event().wait()  # the daemon ends with the tests

    monkeypatch.setattr(Beat, "start", REALLY_START)
    monkeypatch.setattr(holders, "_mine", Beat())
    monkeypatch.setattr(holders, "sleep", pause)
    began = time.monotonic()
    settings.ALERTS_LEASE = 0.6
    name, _, _ = holders.token().partition("-")
    try:
        until(lambda: Holder.objects.filter(name=name, beats__gte=BEATS).exists())
        assert time.monotonic() - began < 5
    finally:
        over.set()
        assert ended.wait(10)
