"""What one recipient hears, and when: the couriers on a clock that only the test moves."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import django
import pytest
from django.core import mail
from django.core.management import call_command
from django.db import connection
from pytest_django import Settings

from notifier.channels import memory
from notifier.config.conf import get_policy
from notifier.delivery import tick
from notifier.delivery.courier import Courier
from notifier.facts import Message, Reason, Receipt, Recipient
from notifier.flow import pipeline, silences
from notifier.judge.calendar import period_before
from notifier.messages import digest
from notifier.models import Alert, Attempt, AttemptPart, Digest, Notification
from notifier.outbox import digests, leases, settle, starting
from tests.holding import die, let_pass
from tests.notifier.conftest import Configure
from tests.notifier.scene import (
    HOUR,
    MINUTE,
    NOON,
    SECOND,
    Scene,
    at_once,
    busy,
    drain,
    reasons,
    refused,
    row_of,
    target_row,
    unsure,
)

pytestmark = pytest.mark.django_db

FOLDING = "tests.notifier.scene.Folding"
SMS = ["1/1m", "5/15m", "11/1h smooth", "21/3h smooth"]
TWO: dict[str, Any] = {"chat": {"BACKEND": "memory"}, "other": {"BACKEND": "memory"}}


def told(alert: Alert, key: str = "chat:chat") -> int:
    return row_of(alert, key).told_seq


# --- one alert's story --------------------------------------------------------------------------------------------


def test_an_alert_is_told_from_its_beginning_to_its_end(scene: Scene) -> None:
    alert = scene.alert(event_id="evt_a")
    assert reasons(scene.deliver()) == ["first"]

    scene.clock.step(MINUTE)
    for _ in range(3):
        scene.fail(event_id="evt_a")
    assert scene.pass_time(4 * MINUTE - SECOND) == [], "an update waits for its window"
    [update] = scene.pass_time(SECOND)
    assert (update.message.reason, told(alert)) == ("update", 4)
    assert "3 more" in update.message.text

    scene.fail(event_id="evt_a", will_retry=False)
    assert reasons(scene.deliver()) == ["raised"]
    scene.recover("evt_a", "replay")
    assert reasons(scene.deliver()) == ["resolved"]
    assert [sent.message.thread for sent in memory.outbox] == ["", *["memory-1"] * 3]
    assert row_of(alert).due_at is None
    assert scene.pass_time(2 * HOUR, HOUR) == []


def test_windows_grow_while_the_storm_lasts(scene: Scene) -> None:
    minutes = []
    for minute in range(120):
        scene.fail()
        minutes += [minute] * len(scene.deliver())
        scene.clock.step(MINUTE)

    assert minutes == [0, 5, 15, 35, 65, 95]


def test_reminders_come_until_somebody_has_it(scene: Scene, configure: Configure) -> None:
    configure(defaults={"repeat": "1h"})
    alert = scene.alert()
    assert reasons(scene.deliver()) == ["first"]
    assert reasons(scene.pass_time(3 * HOUR, 10 * MINUTE)) == ["repeat"] * 3
    pipeline.acknowledge(alert, "ada", scene.now, scene.now + 6 * HOUR)
    assert scene.pass_time(6 * HOUR - MINUTE, 10 * MINUTE) == []
    assert reasons(scene.pass_time(MINUTE)) == ["repeat"]


def test_a_new_worker_goes_on_where_the_last_one_was(scene: Scene) -> None:
    scene.fail()
    scene.deliver()
    scene.fail()
    scene.couriers.clear()

    assert scene.deliver() == []
    assert reasons(scene.pass_time(5 * MINUTE)) == ["update"]


def test_what_a_try_tells_goes_on_where_the_one_before_it_ended(scene: Scene) -> None:
    alert = scene.alert()
    scene.deliver()
    for _ in range(4):
        scene.fail()
        scene.fail()
        scene.pass_time(30 * MINUTE, 5 * MINUTE)

    ranges = AttemptPart.objects.filter(notification__alert=alert).order_by("pk").values_list("from_seq", "to_seq")
    assert list(ranges) == [(0, 1), (1, 3), (3, 5), (5, 7), (7, 9)]


# --- guards -------------------------------------------------------------------------------------------------------


def test_what_a_silence_held_is_told_when_it_ends_with_the_state_of_then(scene: Scene) -> None:
    silence = silences.silence(
        {"event": "invoice.*"}, until=NOON + 2 * HOUR, author="ada", comment="known", now=scene.now
    )
    alert = scene.alert()
    for _ in range(4):
        scene.fail()
    assert scene.pass_time(2 * HOUR - MINUTE, 10 * MINUTE) == []
    assert row_of(alert).held_words == f"silence {silence.pk}"

    [sent] = scene.pass_time(MINUTE)
    assert (sent.message.reason, told(alert)) == ("first", 5)
    assert f"by silence {silence.pk}" in sent.message.text


def test_a_silence_that_is_ended_early_lets_what_it_held_go_at_once(scene: Scene) -> None:
    silence = silences.silence({"event": "*"}, until=NOON + 2 * HOUR, author="ada", comment="", now=scene.now)
    scene.fail()
    assert scene.deliver() == []

    assert silences.end(silence, scene.now) == 1
    assert reasons(scene.deliver()) == ["first"]


def test_an_alert_that_is_over_while_silenced_still_closes_the_message_before(scene: Scene) -> None:
    scene.fail(event_id="evt_a")
    scene.deliver()
    silences.silence({"event": "*"}, until=NOON + 2 * HOUR, author="ada", comment="", now=scene.now)
    scene.fail(event_id="evt_a")
    assert scene.pass_time(10 * MINUTE) == []
    scene.recover("evt_a")

    assert reasons(scene.deliver()) == ["resolved"]


def test_quiet_hours_hold_and_tell_once_when_they_end(scene: Scene, configure: Configure) -> None:
    configure(quiet_hours={"night": {"HOURS": "22:00-07:00", "CHANNELS": ["chat"], "UNLESS": "critical"}})
    scene.clock.at = datetime(2026, 11, 23, 23, 0, tzinfo=UTC)
    alert = scene.alert()
    for _ in range(7):
        scene.clock.step(HOUR)
        scene.fail()
        assert scene.deliver() == []
    scene.clock.at = datetime(2026, 11, 24, 7, 0, tzinfo=UTC)  # the end is no longer quiet

    assert reasons(scene.deliver()) == ["first"]
    assert told(alert) == 8


def test_what_is_over_before_it_was_told_is_found_by_the_digest_alone(scene: Scene, configure: Configure) -> None:
    configure(digests={"daily": {"AT": "08:00", "TO": ["chat"], "TZ": "UTC"}})
    silence = silences.silence({"event": "*"}, until=NOON + HOUR, author="ada", comment="known bug", now=scene.now)
    alert = scene.alert(event_id="evt_a")
    scene.deliver()
    scene.recover("evt_a")

    assert scene.pass_time(2 * HOUR, 10 * MINUTE) == []
    row = row_of(alert)
    assert (row.due_at, row.told_seq, row.held_words) == (None, 0, f"silence {silence.pk}")
    plan = get_policy().digests[0]
    period = period_before(NOON + timedelta(days=1), plan.at, plan.tz, plan.every)
    data = digest.collect(plan, target_row().pk, period, scene.now)
    [line] = data.lines
    assert (line.section.value, line.count, line.held_by) == (
        "Over before anybody was told",
        1,
        (f"silence {silence.pk}",),
    )


# --- throttle, folding, fairness, budget --------------------------------------------------------------------------


def test_a_flood_on_one_number_goes_out_as_the_windows_allow_and_folds(scene: Scene, configure: Configure) -> None:
    configure(channels={"chat": {"BACKEND": FOLDING, "TO": ["chat"]}}, limits={"chat": {"RATES": SMS}})
    scene.fail(event_type="type.0")
    scene.deliver()
    for number in range(1, 5):
        scene.fail(event_type=f"type.{number}")
    assert scene.deliver() == []
    assert target_row().wait_at(scene.now).startswith("its rate (1 in")
    assert target_row().wait_at(scene.now + MINUTE) == ""

    [folded] = scene.pass_time(MINUTE, 10 * SECOND)
    assert folded.message.short.startswith("4 alerts, worst ERROR: ")
    assert Notification.objects.filter(told_seq=1).count() == 5


def test_a_flood_that_cannot_fold_goes_out_at_the_times_of_the_windows(scene: Scene, configure: Configure) -> None:
    configure(limits={"chat": {"RATES": SMS}})
    for number in range(21):
        scene.fail(event_type=f"type.{number}")
    minutes = []
    for half in range(2 * 169):
        minutes += [half / 2] * len(scene.deliver())
        scene.clock.step(MINUTE / 2)

    assert minutes == [0, 1, 2, 3, 4, 15, 22.5, 30, 37.5, 45, 52.5, 60, 72, 84, 96, 108, 120, 132, 144, 156, 168]


def test_one_of_another_kind_gets_the_next_slot_before_three_hundred(scene: Scene, configure: Configure) -> None:
    configure(limits={"chat": {"RATES": ["1/1m"]}}, classify=[{"fingerprint": ["event_type", "object_id"]}])
    for _ in range(300):
        scene.fail(event_type="invoice.paid")
    [first] = scene.deliver()
    scene.fail(event_type="payout.failed")
    [second] = scene.pass_time(MINUTE)
    [third] = scene.pass_time(MINUTE)

    assert [one.message.title.split()[0] for one in (first, second, third)] == [
        "invoice.paid",
        "payout.failed",
        "invoice.paid",
    ]


def test_a_budget_ends_with_a_line_that_says_so_and_the_rest_overflows(scene: Scene, configure: Configure) -> None:
    configure(channels=TWO, limits={"chat": {"MESSAGES_PER_DAY": 3, "OVERFLOW": "other"}})
    for number in range(5):
        scene.fail(event_type=f"type.{number}")
    sent = scene.deliver()

    chat = [one.message for one in sent if one.address == "chat"]
    other = [one.message for one in sent if one.address == "other"]
    assert ["last message" in message.text for message in chat] == [False, False, True]
    assert "last message" in chat[2].short
    assert len(other) == 2
    assert all("budget spent" in message.text for message in other)

    scene.clock.at = datetime(2026, 11, 24, 0, 0, tzinfo=UTC)
    back = [one for one in scene.deliver() if one.address == "chat"]
    assert len(back) == 2, "a new day's budget: what overflowed and is still open is told here too"


def test_a_budget_without_an_overflow_holds_until_the_next_day(scene: Scene, configure: Configure) -> None:
    configure(limits={"chat": {"MONEY_PER_DAY": "1.00", "PRICE_PER_PART": "0.25"}})
    for number in range(4):
        scene.fail(event_type=f"type.{number}")

    assert len(scene.deliver()) == 3, "each is reckoned at the two parts that it may have"
    assert set(Notification.objects.exclude(held_by="").values_list("held_by", flat=True)) == {"budget"}
    scene.clock.at = datetime(2026, 11, 24, 0, 0, tzinfo=UTC)
    assert len(scene.deliver()) == 1


# --- what cannot be delivered -------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [refused(), refused(dead=True)], ids=["message refused", "target dead"])
def test_what_is_refused_goes_to_the_failover_at_once(scene: Scene, configure: Configure, error: Exception) -> None:
    configure(channels=TWO | {"chat": {"BACKEND": "memory", "FAILOVER": "other"}})
    memory.fail_next(error)  # type: ignore[arg-type]  # a DeliveryError
    alert = scene.alert()
    [sent] = scene.deliver()

    assert sent.address == "other"
    assert "chat" in row_of(alert, "other:other").instead_of
    assert (told(alert), told(alert, "other:other")) == (0, 1)


def test_a_dead_target_is_not_asked_again_until_a_test_message_arrives(scene: Scene, configure: Configure) -> None:
    configure(channels=TWO | {"chat": {"BACKEND": "memory", "FAILOVER": "other"}})
    memory.fail_next(refused(dead=True))
    alert = scene.alert()
    scene.deliver()
    scene.fail()
    assert [sent.address for sent in scene.pass_time(6 * MINUTE)] == ["other"]
    assert Attempt.objects.filter(target=target_row()).count() == 1

    call_command("send_test", "chat")
    assert target_row().dead_since is None
    scene.clock.at = max(scene.now, row_of(alert).due_at or scene.now)  # the command's clock is the real one
    assert [(sent.address, str(sent.message.reason)) for sent in scene.deliver("chat")] == [("chat", "first")]


def test_a_storm_at_a_target_that_refuses_costs_few_tries(scene: Scene, configure: Configure) -> None:
    configure(channels=TWO | {"chat": {"BACKEND": "memory", "FAILOVER": "other"}}, routes={"*": ["chat"]})
    for _ in range(60):
        memory.clear()
        memory.fail_next(refused())
        scene.fail()
        scene.deliver("chat")
        scene.clock.step(SECOND)

    assert Attempt.objects.filter(target=target_row()).count() == 1


def test_two_channels_that_stand_in_for_each_other_end_in_the_last_resort(
    scene: Scene, configure: Configure, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.ADMINS = ["admin@example.com" if django.VERSION >= (6, 0) else ("", "admin@example.com")]
    configure(
        channels={
            "chat": {"BACKEND": "memory", "FAILOVER": "other"},
            "other": {"BACKEND": "memory", "FAILOVER": "chat"},
        },
        routes={"*": ["chat"]},
    )
    memory.fail_next(refused(dead=True), refused(dead=True))
    with caplog.at_level(logging.CRITICAL, logger="stripe_alerts.notifier.outbox.last_resort"):
        scene.fail()
        assert scene.deliver() == []
        scene.fail()  # more of the same cries no more
        scene.deliver()
    join_threads("last-resort")

    assert [
        record.levelname for record in caplog.records if record.name == "stripe_alerts.notifier.outbox.last_resort"
    ] == ["CRITICAL"]
    [letter] = mail.outbox
    assert letter.subject.endswith("[error] invoice.paid cannot be processed: a bug in the handler (KeyError)")


def join_threads(name: str) -> None:
    for thread in threading.enumerate():
        if thread.name == name:
            thread.join(10)


def test_a_failing_channel_fails_over_after_its_time(scene: Scene, configure: Configure) -> None:
    configure(channels=TWO | {"chat": {"BACKEND": "memory", "FAILOVER": "other", "FAILOVER_AFTER": "15m"}})
    memory.fail_next(*[busy()] * 1000)
    scene.fail()
    minutes = 0
    while not Notification.objects.filter(target__key="other:other").exists():
        assert minutes < 60
        scene.clock.step(MINUTE)
        drain(scene.courier("chat"))
        minutes += 1
    memory.clear()

    assert minutes >= 15
    assert [sent.address for sent in scene.deliver()] == ["other"]


def test_retry_after_holds_the_whole_target(scene: Scene) -> None:
    memory.fail_next(busy(retry_after=120))
    scene.fail()
    assert scene.deliver() == []
    scene.fail(event_type="payout.failed")
    assert target_row().next_at == NOON + 2 * MINUTE

    assert scene.pass_time(2 * MINUTE - SECOND, 10 * SECOND) == []
    assert len(scene.pass_time(10 * SECOND, SECOND)) == 2


# --- nobody knows whether it was taken ----------------------------------------------------------------------------


def test_an_unsure_try_is_sent_again_marked_under_the_same_reference(scene: Scene) -> None:
    memory.fail_next(unsure())
    scene.fail()
    assert scene.deliver() == []
    reference = Attempt.objects.get().reference

    [sent] = scene.pass_time(MINUTE, SECOND)
    assert (sent.message.reference, sent.message.possible_repeat) == (reference, True)


@pytest.mark.parametrize("taken", [True, False])
def test_who_may_have_heard_of_an_alert_hears_of_its_end(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, taken: bool
) -> None:
    send = memory.Memory.send

    def unanswered(self: memory.Memory, address: str, message: Message) -> Receipt:
        if taken:
            send(self, address, message)
        raise unsure()

    alert = scene.alert(event_id="evt_a")
    monkeypatch.setattr(memory.Memory, "send", unanswered)
    scene.deliver()
    monkeypatch.setattr(memory.Memory, "send", send)
    scene.recover("evt_a")
    scene.pass_time(10 * MINUTE, SECOND)
    assert reasons(memory.outbox) == (["first", "resolved"] if taken else ["resolved"])
    assert row_of(alert).due_at is None


def test_an_unsure_try_stays_unsure_when_the_next_one_is_refused(scene: Scene) -> None:
    memory.fail_next(unsure(), busy(), busy())
    scene.fail()
    scene.deliver()
    reference = Attempt.objects.get().reference

    [sent] = scene.pass_time(MINUTE, SECOND)
    assert [attempt.result for attempt in Attempt.objects.order_by("pk")] == [
        "uncertain", "retry", "retry", "delivered"
    ]  # fmt: skip
    assert (sent.message.reference, sent.message.possible_repeat) == (reference, True)


def test_a_try_that_was_taken_after_all_is_not_sent_again_and_tells_only_what_it_said(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = memory.Memory.send

    def taken_without_an_answer(self: memory.Memory, address: str, message: Message) -> Receipt:
        send(self, address, message)
        raise unsure()

    with monkeypatch.context() as patched:
        patched.setattr(memory.Memory, "send", taken_without_an_answer)
        alert = scene.alert()
        scene.deliver()
    for _ in range(3):
        scene.fail()  # not in the message that arrived

    assert scene.pass_time(MINUTE, SECOND) == []
    assert told(alert) == 1
    assert list(AttemptPart.objects.order_by("pk").values_list("from_seq", "to_seq")) == [(0, 1), (0, 1)]
    [update] = scene.pass_time(5 * MINUTE)
    assert (update.message.reason, told(alert)) == ("update", 4)


def test_an_unsure_message_on_several_alerts_goes_again_as_it_was(
    scene: Scene, configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(channels={"chat": {"BACKEND": FOLDING, "TO": ["chat"]}})
    send = memory.Memory.send

    def taken_without_an_answer(self: memory.Memory, address: str, message: Message) -> Receipt:
        send(self, address, message)
        raise unsure()

    with monkeypatch.context() as patched:
        patched.setattr(memory.Memory, "send", taken_without_an_answer)
        for number in range(2):
            scene.fail(event_type=f"type.{number}")
        scene.deliver()
    assert len(memory.outbox) == 1
    scene.clock.step(MINUTE)
    late = scene.alert(event_type="type.late")

    [sent] = scene.deliver()
    assert sent.message.title.startswith("type.late"), "it was not in the message that had been taken"
    assert told(late) == 1
    assert set(Notification.objects.values_list("told_seq", flat=True)) == {1}


# --- workers that die, and that race ------------------------------------------------------------------------------


def never(name: str, run: Callable[[], None]) -> None:
    """The worker dies before the call ends."""


def test_a_try_whose_worker_died_is_settled_and_sent_again(scene: Scene) -> None:
    alert = scene.alert()
    Courier("chat", now=scene.clock, start=never).step()
    assert row_of(alert).sending is not None

    die()
    assert settle.settle_lost(scene.now) == 0, "it may live"
    let_pass()
    assert settle.settle_lost(scene.now) == 1
    assert settle.settle_lost(scene.now) == 0
    [sent] = scene.pass_time(MINUTE, SECOND)
    assert sent.message.possible_repeat


def test_an_answer_that_comes_after_the_try_was_settled_writes_nothing(scene: Scene) -> None:
    alert = scene.alert()
    calls: list[Callable[[], None]] = []
    slow = Courier("chat", now=scene.clock, start=lambda _, run: calls.append(run))
    slow.step()
    die()
    let_pass()
    assert settle.settle_lost(scene.now) == 1

    calls[0]()
    slow.step()
    assert [attempt.result for attempt in Attempt.objects.all()] == ["uncertain"]
    assert told(alert) == 0
    scene.pass_time(MINUTE, SECOND)
    assert told(alert) == 1
    assert len(memory.outbox) == 1, "the provider said that it had taken the first"


def test_a_lease_in_another_hand_sends_nothing(scene: Scene) -> None:
    alert = scene.alert()
    row = row_of(alert)
    (held,) = leases.lease(row.target.channel, scene.now)
    token = held.target.token
    assert leases.lease(row.target.channel, scene.now) == []
    leases.release(row.target.pk, token)
    assert len(leases.lease(row.target.channel, scene.now)) == 1

    assert starting.start(row.target, token, [starting.Try(Reason.FIRST, "r", "text")], scene.now) == []
    assert not Attempt.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_couriers_that_race_for_one_target_double_no_message(scene: Scene) -> None:
    alerts = [scene.alert(event_type=f"type.{number}") for number in range(12)]
    begin = threading.Barrier(3)
    errors: list[BaseException] = []

    def work() -> None:
        courier = Courier("chat", now=scene.clock, start=at_once)
        try:
            begin.wait()
            for _ in range(8):
                drain(courier)
        except BaseException as error:  # noqa: BLE001 - the test's own thread reports it
            errors.append(error)
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert errors == []
    scene.deliver()
    titles = [sent.message.title.split()[0] for sent in memory.outbox]
    assert sorted(titles) == sorted(alert.event_type for alert in alerts)
    assert Attempt.objects.count() == len(alerts)


# --- digests ------------------------------------------------------------------------------------------------------

ZONE = ZoneInfo("Europe/Berlin")
BERLIN: dict[str, dict[str, Any]] = {"daily": {"AT": "08:00", "TO": ["chat"], "TZ": "Europe/Berlin"}}


def test_the_first_period_is_only_a_mark(scene: Scene, configure: Configure) -> None:
    configure(digests=BERLIN)
    tick.start_digests(scene.now)
    tick.start_digests(scene.now)

    row = Digest.objects.get()
    assert (row.due_at, row.outcome) == (None, "set up")
    assert scene.deliver() == []


@pytest.mark.parametrize(
    ("begins", "hours"),
    [
        (datetime(2027, 3, 27, 12, tzinfo=UTC), [24, 23, 24]),  # Berlin's clocks go forward on the 28th
        (datetime(2026, 10, 24, 12, tzinfo=UTC), [24, 25, 24]),  # and back on 25 October
    ],
    ids=["a day of 23 hours", "a day of 25 hours"],
)
def test_one_digest_for_each_local_day_whatever_the_clocks_do(
    scene: Scene, configure: Configure, begins: datetime, hours: list[int]
) -> None:
    configure(digests=BERLIN)
    scene.clock.at = begins
    for _ in range(2 * 24 * 2 + 2):
        for _ in range(2):  # two ticks ask
            tick.start_digests(scene.now)
        scene.deliver()
        scene.clock.step(HOUR / 2)

    rows = list(Digest.objects.order_by("ends_at"))
    assert [(row.ends_at - row.starts_at) / HOUR for row in rows] == hours
    assert {row.ends_at.astimezone(ZONE).hour for row in rows} == {8}
    assert all(before.ends_at == after.starts_at for before, after in pairwise(rows))
    assert reasons(memory.outbox) == ["digest"] * (len(rows) - 1)


def test_a_quiet_day_is_one_line(scene: Scene, configure: Configure) -> None:
    configure(digests=BERLIN)
    tick.start_digests(scene.now)
    scene.clock.step(timedelta(days=1))
    tick.start_digests(scene.now)

    [sent] = scene.deliver()
    assert "all quiet" in sent.message.subject


def test_a_quiet_day_is_no_message_when_nobody_wants_one(scene: Scene, configure: Configure) -> None:
    configure(digests={"daily": BERLIN["daily"] | {"WHEN_QUIET": False}})
    tick.start_digests(scene.now)
    scene.clock.step(timedelta(days=1))
    tick.start_digests(scene.now)

    assert scene.deliver() == []
    assert list(Digest.objects.order_by("ends_at").values_list("outcome", flat=True)) == ["set up", "nothing happened"]


def test_after_days_without_a_worker_one_digest_covers_them(scene: Scene, configure: Configure) -> None:
    configure(digests=BERLIN)
    tick.start_digests(scene.now)
    scene.clock.step(timedelta(days=1))
    scene.fail()
    scene.deliver()
    scene.clock.step(timedelta(days=4))
    tick.start_digests(scene.now)

    [sent] = [one for one in scene.deliver() if one.message.reason == "digest"]
    row = Digest.objects.get(sent_at__isnull=False)
    assert row.ends_at - row.starts_at == timedelta(days=5)
    assert "since 23 Nov" in sent.message.subject
    assert "invoice.paid" in sent.message.text


@pytest.mark.django_db(transaction=True)
def test_ticks_that_race_start_one_digest(scene: Scene, configure: Configure) -> None:
    configure(digests=BERLIN)
    tick.start_digests(scene.now)
    now = scene.clock.step(timedelta(days=1))
    begin = threading.Barrier(4)
    errors: list[BaseException] = []

    def work() -> None:
        try:
            begin.wait()
            tick.start_digests(now)
        except BaseException as error:  # noqa: BLE001 - the test's own thread reports it
            errors.append(error)
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert errors == []
    assert Digest.objects.filter(due_at__isnull=False).count() == 1
    assert reasons(scene.deliver()) == ["digest"]


def test_a_digest_that_may_have_arrived_is_repeated_under_its_reference(scene: Scene, configure: Configure) -> None:
    configure(digests=BERLIN)
    tick.start_digests(scene.now)
    scene.clock.step(timedelta(days=1))
    tick.start_digests(scene.now)
    memory.fail_next(unsure())
    scene.deliver()
    reference = Attempt.objects.get().reference

    [sent] = scene.pass_time(MINUTE, SECOND)
    assert (sent.message.reference, sent.message.possible_repeat) == (reference, True)


def test_a_digest_asked_for_by_hand_covers_the_time_since_the_last(scene: Scene, configure: Configure) -> None:
    configure(digests=BERLIN)
    row = digests.digest_now("daily", Recipient("chat", "memory", "chat"), NOON - HOUR, scene.now)

    assert (row.starts_at, row.due_at) == (NOON - HOUR, NOON)
    assert reasons(scene.deliver()) == ["digest"]
