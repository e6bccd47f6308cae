"""Couriers share threads: who has something due is named by one question, and a provider that hangs delays nobody."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from alerts_runtime.worker.runner import Worker
from notifier import api
from notifier.channels import memory
from notifier.delivery import loops
from notifier.facts import Message, Receipt
from notifier.models import Attempt, Digest, Notification, Target
from notifier.outbox import leases
from tests.notifier.conftest import Configure
from tests.notifier.rows import NOON, a_notification, a_target, an_alert
from tests.runtime.waiting import until

HOUR = timedelta(hours=1)
LATER, EARLIER = NOON + HOUR, NOON - HOUR
AFTER = timedelta(minutes=15)


@pytest.mark.django_db
@pytest.mark.parametrize("trying_since", [None, EARLIER, NOON], ids=["not tried", "long tried", "just tried"])
@pytest.mark.parametrize("due_at", [None, EARLIER, LATER], ids=["no plan", "due", "due later"])
@pytest.mark.parametrize(
    "target",
    [
        {},
        {"next_at": LATER},
        {"next_at": EARLIER},
        {"next_at": LATER, "waits_for": "provider"},
        {"token": "t"},
        {"dead_since": EARLIER},
    ],
    ids=["free", "waits", "has waited", "fails", "leased", "dead"],
)
@pytest.mark.parametrize("digest_due_at", [None, EARLIER])
def test_it_names_all_that_a_courier_would_find(
    target: dict[str, Any], due_at: Any, trying_since: Any, digest_due_at: Any
) -> None:
    row = a_target("slack:#a")
    Target.objects.update(**target)
    a_notification(an_alert(), "slack:#a", due_at=due_at, trying_since=trying_since)
    Digest.objects.create(name="daily", target=row, starts_at=EARLIER, ends_at=NOON, due_at=digest_due_at)
    for after in (AFTER, 4 * HOUR):  # its own, or a longer one than another channel's
        named = leases.ready_channels(NOON, AFTER)
        with transaction.atomic():
            found = leases.lease("slack", NOON, after)
            transaction.set_rollback(True)
        assert named == {"slack"} if found else named <= {"slack"}
        if after == AFTER:
            assert named == ({"slack"} if found else set())


@pytest.mark.django_db
def test_how_long_each_has_waited_is_one_question_however_many_they_are(configure: Configure) -> None:
    aliases = [f"c{number}" for number in range(20)]
    configure(channels={alias: {"BACKEND": "memory"} for alias in aliases}, routes={"*": aliases})
    a_notification(an_alert(), "c1:x", due_at=EARLIER)
    a_notification(an_alert(), "c1:y", due_at=EARLIER - HOUR)
    a_notification(an_alert(), "c2:x", due_at=LATER)
    a_notification(an_alert(), "removed:x", due_at=EARLIER)
    Digest.objects.create(name="daily", target=a_target("c3:x"), starts_at=EARLIER, ends_at=NOON, due_at=EARLIER)
    with CaptureQueriesContext(connection) as captured:
        found = loops.oldest_of_all(NOON)
    assert len(captured) == 2
    assert found == {"deliver-c1": EARLIER - HOUR, "deliver-c3": EARLIER}
    assert {f"deliver-{alias}": at for alias in aliases if (at := loops.oldest_due(alias)(NOON))} == found


@pytest.mark.django_db
def test_what_is_being_sent_is_not_due() -> None:
    row = a_notification(an_alert(), "slack:#a", due_at=EARLIER)
    Notification.objects.update(
        sending=Attempt.objects.create(target=row.target, token="t", reference="r", started_at=NOON)
    )
    assert leases.ready_channels(NOON, AFTER) == set()


@pytest.mark.django_db(transaction=True)
def test_more_providers_that_hang_than_there_are_threads_delay_no_other(
    configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging = [f"hangs-{number}" for number in range(loops.COURIERS + 2)]
    aliases = [*hanging, "works"]
    configure(channels={alias: {"BACKEND": "memory"} for alias in aliases}, routes={"*": aliases})
    release, entered, send = threading.Event(), set[str](), memory.Memory.send

    def send_or_hang(channel: memory.Memory, address: str, message: Message) -> Receipt:
        if address != "works":
            entered.add(address)
            release.wait(30)
        return send(channel, address, message)

    monkeypatch.setattr(memory.Memory, "send", send_or_hang)
    worker = Worker(loops.loops(), stop_timeout=10)
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        api.alert("A payout is late", key="payouts")
        until(lambda: entered == set(hanging) and [one.address for one in memory.outbox] == ["works"])
        api.alert("A refund is late", key="refunds")
        until(lambda: [one.address for one in memory.outbox] == ["works"] * 2)
    finally:
        release.set()
        worker.stop()
        thread.join(20)
    assert not thread.is_alive()
    assert not Target.objects.exclude(token="").exists()
    assert not Attempt.objects.filter(finished_at__isnull=True).exists()  # their ends were written down
