"""The latest moment at which news is told: what may not be told too early is easily told too late, or never."""

from __future__ import annotations

from datetime import timedelta
from importlib import import_module
from typing import Any

import pytest
from django.core.management import call_command
from django.db import DataError

from notifier import metrics
from notifier.channels import memory
from notifier.config.conf import get_policy
from notifier.delivery import loops, tick
from notifier.facts import DeliveryError, Message, Reason, Receipt, Result
from notifier.flow import pipeline, silences
from notifier.models import Alert, Notification, Target
from notifier.outbox import forgotten, set_aside
from tests.notifier.conftest import Configure
from tests.notifier.scene import HOUR, MINUTE, NOON, SECOND, Scene, busy, reasons, refused, row_of, target_row, unsure

pytestmark = pytest.mark.django_db

FAILOVER: dict[str, Any] = {
    "chat": {"BACKEND": "memory", "FAILOVER": "page", "FAILOVER_AFTER": "5m"},
    "page": {"BACKEND": "memory"},
}


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> dict[str, DeliveryError]:
    """While there is an error for an address, every send to it ends with that."""
    errors: dict[str, DeliveryError] = {}
    send = memory.Memory.send

    def send_or_not(channel: memory.Memory, address: str, message: Message) -> Receipt:
        if error := errors.get(address):
            raise error
        return send(channel, address, message)

    monkeypatch.setattr(memory.Memory, "send", send_or_not)
    return errors


@pytest.fixture
def cries(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The alerts that the last resort was told of."""
    heard: list[int] = []
    monkeypatch.setattr("notifier.outbox.last_resort.not_delivered", lambda alert, why, **_: heard.append(alert.pk))
    return heard


# --- A planned reminder is no plan for news -----------------------------------------------------------------------


@pytest.mark.parametrize("repeat", ["", "1h", "6m"])
@pytest.mark.parametrize("failures_a_minute", [1, 50])
def test_a_reminder_delays_no_news(scene: Scene, configure: Configure, repeat: str, failures_a_minute: int) -> None:
    configure(defaults={"repeat": repeat} if repeat else {})
    minutes = []
    for minute in range(16):
        for _ in range(failures_a_minute):
            scene.fail()
        minutes += [minute] * len(scene.deliver())
        scene.clock.step(MINUTE)
    assert minutes == [0, 5, 15]


@pytest.mark.parametrize(
    "planned_again",
    [
        lambda scene, alert: scene.deliver(),
        lambda scene, alert: pipeline.acknowledge(alert, "ada", scene.now, scene.now + MINUTE),
        lambda scene, alert: silences.silence(
            {"event": "*"}, until=scene.now + MINUTE, author="ada", comment="", now=scene.now
        ),
        lambda scene, alert: memory.fail_next(busy()),
        lambda scene, alert: memory.fail_next(unsure()),
    ],
    ids=["delivered", "acknowledged", "silenced", "busy", "unsure"],
)
def test_whatever_becomes_of_a_reminder_news_is_told(scene: Scene, configure: Configure, planned_again: Any) -> None:
    configure(defaults={"repeat": "1h"})
    alert = scene.alert()
    scene.deliver()
    scene.clock.step(HOUR)
    planned_again(scene, alert)
    scene.deliver()
    for _ in range(2):
        scene.fail()
        scene.deliver()
    told = scene.pass_time(7 * MINUTE, 10 * SECOND)
    assert row_of(alert).told_seq == 3, reasons(told)


@pytest.mark.parametrize(
    "state",
    [
        {"last_error": "503: later"},
        {"held_by": "silence", "held_ref": "1"},
        {"held_by": "diverted", "held_ref": "budget spent", "last_error": "diverted: budget spent"},
    ],
    ids=["it failed", "it was held", "others stood in"],
)
def test_what_has_no_plan_gets_one_whatever_happened_before(scene: Scene, state: dict[str, str]) -> None:
    alert = scene.alert()
    Notification.objects.update(due_at=None, **state)
    assert forgotten.plan(get_policy(), scene.now) == 1
    assert row_of(alert).due_at == scene.now


def test_an_end_that_was_never_planned_is_told(scene: Scene) -> None:
    alert = scene.alert(event_id="evt_a")
    scene.deliver()
    scene.recover("evt_a")
    Notification.objects.update(due_at=None)
    scene.clock.step(MINUTE)
    assert forgotten.plan(get_policy(), scene.now) == 1
    assert reasons(scene.deliver()) == ["resolved"]
    assert forgotten.plan(get_policy(), scene.now) == 0
    assert row_of(alert).told_resolved


# --- A provider that asks to wait ---------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [299.0, 3600.0, 86400.0, 1e14, float("inf"), float("nan"), -5.0])
def test_a_hold_never_outlasts_the_failover(
    scene: Scene, configure: Configure, answers: dict[str, DeliveryError], seconds: float
) -> None:
    configure(channels=FAILOVER, routes={"*": ["chat"]})
    answers["chat"] = busy(retry_after=seconds)
    first = scene.alert()
    scene.pass_time(2 * MINUTE, 10 * SECOND)
    second = scene.alert(event_type="payout.failed")  # comes while the target is held, and is never tried
    heard = {}
    for _ in range(60):
        for sent in scene.pass_time(10 * SECOND, 10 * SECOND):
            heard[sent.message.title.split()[0]] = scene.now
    assert NOON + 5 * MINUTE <= heard["invoice.paid"] <= NOON + 5 * MINUTE + 20 * SECOND
    assert NOON + 5 * MINUTE <= heard["payout.failed"] <= NOON + 7 * MINUTE + 20 * SECOND
    assert row_of(first, "page:page").instead_of
    assert row_of(second, "page:page").instead_of


@pytest.mark.parametrize("seconds", [3600.0, 86400.0, 1e14, float("inf"), 10**400])
def test_a_hold_without_a_failover_ends_within_an_hour_and_the_last_resort_hears_before(
    scene: Scene, answers: dict[str, DeliveryError], cries: list[int], seconds: float
) -> None:
    answers["chat"] = busy(retry_after=seconds)
    alert = scene.alert()
    scene.deliver()
    assert target_row().next_at == NOON + HOUR
    scene.pass_time(15 * MINUTE, MINUTE)
    assert cries == [alert.pk], "the failover's time is over, and nobody stands in"
    answers.clear()
    assert scene.pass_time(44 * MINUTE, MINUTE) == []
    assert reasons(scene.pass_time(2 * MINUTE, MINUTE)) == ["first"]
    assert cries == [alert.pk]


def test_the_throttle_of_a_provider_that_does_not_answer_does_not_outlast_the_failover(
    scene: Scene, configure: Configure, answers: dict[str, DeliveryError]
) -> None:
    configure(channels=FAILOVER, routes={"*": ["chat"]}, limits={"chat": {"RATES": ["1/3h"]}})
    answers["chat"] = unsure()
    scene.fail()
    told = scene.pass_time(6 * MINUTE, 10 * SECOND)
    assert [sent.address for sent in told] == ["page"]


def test_a_test_message_that_arrives_lifts_the_hold(
    scene: Scene, answers: dict[str, DeliveryError], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("notifier.delivery.probe.clock.now", scene.clock)
    answers["chat"] = busy(retry_after=3600)
    scene.fail()
    scene.fail(event_type="payout.failed")
    scene.deliver()
    answers.clear()
    call_command("send_test", "chat")
    assert (target_row().next_at, target_row().waits_for) == (None, "")
    assert reasons(scene.deliver()) == ["first", "first"]


def test_a_throttle_is_not_lifted_by_a_test_message(scene: Scene, configure: Configure) -> None:
    configure(limits={"chat": {"RATES": ["1/1h"]}})
    for kind in ("a", "b"):
        scene.fail(event_type=kind)
    scene.deliver()
    held = target_row().next_at
    call_command("send_test", "chat")
    assert target_row().next_at == held == NOON + HOUR


def test_a_message_that_was_begun_after_the_hold_and_arrives_lifts_it(
    scene: Scene, answers: dict[str, DeliveryError]
) -> None:
    answers["chat"] = busy(retry_after=3600)
    scene.fail()
    scene.deliver()
    answers.clear()
    scene.clock.step(MINUTE)
    Target.objects.update(next_at=None)  # another worker's look at the target was older than the hold
    scene.fail(event_type="payout.failed")
    courier = scene.courier("chat")
    courier.step()
    Target.objects.update(next_at=scene.now + 50 * MINUTE)
    courier.step()
    assert (target_row().next_at, target_row().waits_for) == (None, "")


def test_what_a_provider_makes_wait_counts_as_overdue(scene: Scene, answers: dict[str, DeliveryError]) -> None:
    answers["chat"] = busy(retry_after=3600)
    scene.fail()
    scene.deliver()
    scene.clock.step(14 * MINUTE)
    since = loops.oldest_due("chat")(scene.now)
    assert since is not None
    assert NOON <= since <= NOON + MINUTE
    found = {
        (sample.name, *sample.labels.values()): sample.value
        for family in metrics.collect(scene.now)
        for sample in family.samples
    }
    assert found["notifier_due_notifications", "chat"] == 1
    assert found["notifier_oldest_due_notification_age_seconds", "chat"] >= 13 * 60


def test_what_waits_for_its_throttle_is_not_overdue(scene: Scene, configure: Configure) -> None:
    configure(limits={"chat": {"RATES": ["1/1h"]}})
    for kind in ("a", "b"):
        scene.fail(event_type=kind)
    scene.deliver()
    scene.clock.step(14 * MINUTE)
    assert loops.oldest_due("chat")(scene.now) is None


def test_a_dead_target_is_not_waited_for(scene: Scene, configure: Configure, answers: dict[str, DeliveryError]) -> None:
    configure(channels=FAILOVER, routes={"*": ["chat"]})
    answers["chat"] = busy(retry_after=3600)
    scene.fail()
    scene.deliver()
    set_aside.set_aside(target_row().pk, refused(dead=True), scene.now)
    assert [sent.address for sent in scene.pass_time(MINUTE, 10 * SECOND)] == ["page"]


# --- What is no longer held is judged again -----------------------------------------------------------------------


def test_a_shorter_acknowledgement_takes_the_place_of_a_longer_one(scene: Scene) -> None:
    alert = scene.alert()
    scene.deliver()
    pipeline.acknowledge(alert, "ada", scene.now, scene.now + 8 * HOUR)
    scene.fail()
    scene.pass_time(6 * MINUTE)
    pipeline.acknowledge(alert, "ada", scene.now, scene.now + 10 * MINUTE)
    assert reasons(scene.pass_time(11 * MINUTE)) == ["update"]


def test_nothing_is_held_for_longer_than_a_day_without_another_look(scene: Scene) -> None:
    silences.silence({"event": "*"}, until=NOON + 900 * timedelta(days=1), author="ada", comment="", now=NOON)
    alert = scene.alert()
    scene.deliver()
    held = row_of(alert)
    assert held.held_by == "silence"
    assert held.due_at is not None
    assert held.due_at <= NOON + timedelta(days=1)
    for _ in range(3):
        scene.clock.step(timedelta(days=1))
        assert scene.deliver() == []
    assert row_of(alert).held_since == NOON


# --- What opens again is judged anew ------------------------------------------------------------------------------


def test_a_delivery_error_asks_for_seconds_that_can_be_waited() -> None:
    asked: list[tuple[object, float | None]] = [
        (None, None), (0, 0.0), (7, 7.0), (3601, 3600.0), (-1, 0.0), (float("inf"), 3600.0), (float("nan"), None),
        (10**400, 3600.0), ("120", 120.0), ("soon", None), (float("-inf"), 0.0),
    ]  # fmt: skip
    for given, expected in asked:
        error = DeliveryError(Result.RETRY, "429", retry_after=given)  # type: ignore[arg-type]  # a site's own channel
        assert error.retry_after == expected, given


ON_CALL: dict[str, Any] = {
    "channels": {"chat": {"BACKEND": "memory"}, "page": {"BACKEND": "memory"}},
    "routes": {"critical": ["page", "chat"], "*": ["chat"]},
}


def test_what_opens_again_milder_does_not_page_who_hears_only_of_the_worst(scene: Scene, configure: Configure) -> None:
    configure(**ON_CALL, defaults={"repeat": "1h"})
    alert = scene.alert(event_id="evt_a", will_retry=False)
    scene.deliver()
    pipeline.acknowledge(alert, "ada", scene.now, scene.now + 8 * HOUR)
    scene.clock.step(MINUTE)
    scene.recover("evt_a")
    assert sorted(sent.address for sent in scene.deliver()) == ["chat", "page"]

    scene.clock.step(25 * MINUTE)
    scene.fail(event_id="evt_b", money=None)
    again = Alert.objects.get()
    assert (again.severity, again.acknowledged_until, again.amount) == (30, None, None)
    assert [(sent.address, sent.message.reason) for sent in scene.deliver()] == [("chat", Reason.REOPENED)]
    told = scene.pass_time(3 * HOUR, MINUTE)
    assert [(sent.address, sent.message.reason) for sent in told] == [("chat", Reason.REPEAT)] * 3
    assert forgotten.plan(get_policy(), scene.now) == 0

    scene.fail(event_id="evt_c", will_retry=False)
    assert {(sent.address, sent.message.reason) for sent in scene.deliver()} == {
        ("chat", Reason.RAISED),
        ("page", Reason.REOPENED),
    }


def test_what_was_held_for_the_on_call_and_opens_again_milder_is_not_theirs(scene: Scene, configure: Configure) -> None:
    configure(**ON_CALL)
    silences.silence({"severity": "critical"}, until=NOON + 20 * MINUTE, author="ada", comment="", now=NOON)
    scene.fail(event_id="evt_a", will_retry=False)
    scene.deliver()
    scene.recover("evt_a")
    scene.clock.step(MINUTE)
    scene.fail(event_id="evt_b")
    told = scene.pass_time(HOUR)
    assert {sent.address for sent in told} == {"chat"}


# --- One row's trouble is that row's outcome ----------------------------------------------------------------------


@pytest.mark.parametrize("where", ["notifier.outbox.plans.next_for", "notifier.messages.compose._alert_message"])
@pytest.mark.parametrize("backend", ["memory", "tests.notifier.scene.Folding"])
@pytest.mark.parametrize("error", [ValueError("bad"), OverflowError(), KeyError("x"), DataError("out of range")])
def test_a_row_that_raises_is_marked_told_of_and_tried_again_and_the_others_go_on(
    scene: Scene,
    configure: Configure,
    monkeypatch: pytest.MonkeyPatch,
    cries: list[int],
    where: str,
    backend: str,
    error: Exception,
) -> None:
    configure(channels={"chat": {"BACKEND": backend, "TO": ["chat"]}})
    alerts = [scene.alert(event_type=f"type.{number}") for number in range(3)]
    bad = alerts[1].pk
    module, name = where.rsplit(".", 1)
    known = getattr(import_module(module), name)

    def broken(first: Any, *rest: Any, **named: Any) -> Any:
        rows = [first] if isinstance(first, Notification) else [part.row for part in first]
        if any(row.alert_id == bad for row in rows):
            raise error
        return known(first, *rest, **named)

    with monkeypatch.context() as patched:
        patched.setattr(where, broken)
        scene.deliver()
        assert [row_of(alert).told_seq for alert in alerts] == [1, 0, 1]
        first = row_of(alerts[1])
        assert type(error).__name__ in first.last_error
        assert cries == [bad]
        scene.clock.step(11 * SECOND)
        scene.deliver()
        again = row_of(alerts[1])
        assert first.due_at is not None
        assert again.due_at is not None
        assert again.due_at - scene.now > first.due_at - NOON, "the pause grows"
    scene.pass_time(MINUTE, 10 * SECOND)
    assert row_of(alerts[1]).told_seq == 1


def test_each_part_of_tick_is_on_its_own(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(now: object) -> None:
        raise ValueError("this part is broken")

    monkeypatch.setattr("notifier.outbox.settle.settle_lost", broken)
    alert = scene.alert()
    Notification.objects.update(due_at=None)
    tick.Tick(scene.clock).step()
    assert row_of(alert).due_at == scene.now
