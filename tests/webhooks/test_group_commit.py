"""Threads that store at the same time share a commit, and each is answered by its own."""

from __future__ import annotations

import json
import threading
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from tests.runtime.waiting import until
from webhooks import samples
from webhooks.events import parse
from webhooks.models import WebhookEvent
from webhooks.receive import store
from webhooks.receive.group_commit import MOST, GroupCommit


class Disk:
    """Takes what is committed, as soon as it may."""

    def __init__(self) -> None:
        self.commits: list[list[int]] = []
        self.may = threading.Event()
        self.error: Exception | None = None

    def write(self, items: list[int]) -> list[str]:
        self.commits.append(items)
        assert self.may.wait(10)
        if self.error:
            raise self.error
        return [f"stored {item}" for item in items]


def _all_at_once(pool: ThreadPoolExecutor, group: GroupCommit[int, str], disk: Disk, items: range) -> list[Future[str]]:
    """Item 0 is being committed while all others gather."""
    asked = [pool.submit(group, 0)]
    until(lambda: disk.commits)
    asked += [pool.submit(group, item) for item in items]
    until(lambda: len(group._queue) == len(items))
    return asked


def test_what_gathers_during_a_commit_shares_the_next_one() -> None:
    disk = Disk()
    group = GroupCommit(disk.write)
    with ThreadPoolExecutor(20) as pool:
        asked = _all_at_once(pool, group, disk, range(1, 20))
        disk.may.set()
        assert [future.result(10) for future in asked] == [f"stored {item}" for item in range(20)]
    assert [sorted(items) for items in disk.commits] == [[0], list(range(1, 20))]


def test_a_commit_has_a_limit_and_nobody_is_left_over() -> None:
    disk = Disk()
    group = GroupCommit(disk.write)
    number = 2 * MOST
    with ThreadPoolExecutor(number) as pool:
        asked = _all_at_once(pool, group, disk, range(1, number))
        disk.may.set()
        assert [future.result(10) for future in asked] == [f"stored {item}" for item in range(number)]
    assert max(len(items) for items in disk.commits) == MOST


def test_a_commit_that_fails_fails_for_all_of_it_and_for_nobody_else() -> None:
    disk = Disk()
    group = GroupCommit(disk.write)
    disk.error = OSError("disk full")
    with ThreadPoolExecutor(5) as pool:
        asked = _all_at_once(pool, group, disk, range(1, 5))
        disk.may.set()
        for future in asked:
            with pytest.raises(OSError, match="disk full"):
                future.result(10)
    disk.error = None
    assert group(7) == "stored 7"


@pytest.mark.django_db(transaction=True)
def test_deliveries_at_the_same_time_are_all_stored_and_told_apart() -> None:
    events = [samples.snapshot("invoice.paid") for _ in range(10)]

    def take(event: dict[str, Any]) -> store.Arrival:
        try:
            return store.store(parse(json.dumps(event), "default"), json.dumps(event), timezone.now()).arrival
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        arrivals = Counter(pool.map(take, events * 3))
    assert arrivals == {store.Arrival.CREATED: 10, store.Arrival.DUPLICATE: 20}
    assert set(WebhookEvent.objects.values_list("deliveries", flat=True)) == {3}


@pytest.mark.django_db(transaction=True)
def test_what_is_stored_in_a_transaction_goes_with_it() -> None:
    event = samples.snapshot("invoice.paid")
    with transaction.atomic():
        store.store(parse(json.dumps(event), "default"), json.dumps(event), timezone.now())
        transaction.set_rollback(True)
    assert not WebhookEvent.objects.exists()
