"""One row's trouble in a part of tick is that row's own: the others of the same part go on, and it is tried again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from django.db import DataError

from alerts_runtime.isolation import parts
from notifier import api
from notifier.alerts import store
from notifier.channels import memory
from notifier.config.conf import get_policy
from notifier.delivery import own_alerts, tick
from notifier.facts import DeliveryError, Result
from notifier.flow import pipeline
from notifier.intake import webhooks as inbound
from notifier.messages import compose
from notifier.models import Alert, Attempt, Digest, Notification, Target
from notifier.outbox import digests, finishing, plans, reports, set_aside, settle
from tests.notifier.conftest import Configure
from tests.notifier.scene import HOUR, MINUTE, NOON, SECOND, Scene, refused, row_of, send_digest, target_row, unsure
from webhooks.models import WebhookEvent

pytestmark = pytest.mark.django_db

ERRORS = [ValueError("bad"), OverflowError(), DataError("out of range")]
DAILY: dict[str, Any] = {"channels": {"chat": {"BACKEND": "memory", "TO": ["a", "b", "c"]}}, "routes": {"*": ["chat"]}}


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The headlines of what the last resort was told."""
    heard: list[str] = []
    monkeypatch.setattr(
        "alerts_runtime.isolation.last_resort.say", lambda cause, headline, text: heard.append(headline)
    )
    return heard


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The monotonic clock of the pauses."""
    clock = [1000.0]
    monkeypatch.setattr(parts, "monotonic", lambda: clock[0])
    return clock


def breaks(
    monkeypatch: pytest.MonkeyPatch, where: Any, name: str, is_bad: Callable[..., bool], error: Exception
) -> list[tuple[Any, ...]]:
    """That function raises for what is bad; the arguments with which it was called for it."""
    known, calls = getattr(where, name), list[tuple[Any, ...]]()

    def broken(*given: Any, **named: Any) -> Any:
        if is_bad(*given):
            calls.append(given)
            raise error
        return known(*given, **named)

    monkeypatch.setattr(where, name, broken)
    return calls


@pytest.mark.parametrize("error", ERRORS, ids=repr)
def test_an_alert_that_cannot_be_ended_keeps_no_other_open(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    for key in ("a", "b", "c"):
        api.alert(key, key=key, resolve_after=HOUR, now=scene.now)
    breaks(monkeypatch, store, "resolve", lambda alert, *_: alert.source == "b", error)
    tick.resolve_overdue(scene.clock.step(2 * HOUR))
    assert list(Alert.objects.filter(resolved_at__isnull=True).values_list("source", flat=True)) == ["b"]


def test_a_row_that_goes_on_raising_is_said_and_tried_again_with_a_growing_pause(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, said: list[str], seconds: list[float]
) -> None:
    api.alert("a", key="a", resolve_after=HOUR, now=scene.now)
    scene.clock.step(2 * HOUR)
    with monkeypatch.context() as patched:
        calls = breaks(patched, store, "resolve", lambda *_: True, ValueError("bad"))
        tried_at = []
        for _ in range(600):
            number = len(calls)
            tick.resolve_overdue(scene.now)
            tried_at += [seconds[0]] * (len(calls) - number)
            seconds[0] += 1
    pauses = [later - earlier for earlier, later in pairwise(tried_at)]
    assert pauses == sorted(pauses)
    assert pauses[0] < 5
    assert pauses[-1] <= parts.LONGEST_PAUSE
    assert len(said) == 1
    seconds[0] += parts.LONGEST_PAUSE
    tick.resolve_overdue(scene.now)
    assert not Alert.objects.filter(resolved_at__isnull=True).exists()


@pytest.mark.parametrize("error", ERRORS, ids=repr)
def test_a_digest_that_cannot_be_begun_keeps_no_other_from_its_recipient(
    scene: Scene, configure: Configure, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    configure(**DAILY, digests={"daily": {"AT": "09:00", "TO": ["chat"]}})
    breaks(monkeypatch, digests, "ensure_digest", lambda name, target, *_: target.address == "b", error)
    tick.start_digests(scene.now)
    assert sorted(Digest.objects.values_list("target__address", flat=True)) == ["a", "c"]


@pytest.mark.parametrize("error", ERRORS, ids=repr)
def test_a_lost_try_that_cannot_be_settled_keeps_no_other_open(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    alerts_ = [scene.alert(event_type=f"type.{number}") for number in range(3)]
    rows = [row_of(alert) for alert in alerts_]
    gone = {"token": "gone", "started_at": NOON}
    tries = [Attempt.objects.create(target=row.target, reference=str(row.pk), **gone) for row in rows]
    breaks(monkeypatch, finishing, "finish", lambda ended, *_: ended[0].attempt_id == tries[1].pk, error)
    assert settle.settle_lost(scene.now) == 2
    assert list(Attempt.objects.filter(result=Result.SENDING).values_list("pk", flat=True)) == [tries[1].pk]


@pytest.mark.parametrize("error", ERRORS, ids=repr)
def test_a_row_that_cannot_be_planned_keeps_no_other_unplanned(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    alerts_ = [scene.alert(event_type=f"type.{number}") for number in range(3)]
    Notification.objects.update(due_at=None)
    breaks(monkeypatch, plans, "replan", lambda row, *_: row.alert_id == alerts_[0].pk, error)
    tick.plan_forgotten(scene.now)
    assert [row_of(alert).due_at for alert in alerts_[1:]] == [NOON, NOON]
    bad = row_of(alerts_[0])
    assert bad.due_at is not None
    assert bad.due_at > NOON
    assert type(error).__name__ in bad.last_error


@pytest.mark.parametrize("error", ERRORS, ids=repr)
def test_a_dead_target_that_cannot_be_told_of_hides_no_other(
    scene: Scene, configure: Configure, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    configure(**DAILY)
    scene.fail()
    for number, target in enumerate(Target.objects.order_by("pk")):
        set_aside.set_aside(target.pk, refused(dead=True), NOON + number * SECOND)
    bad = target_row("chat:a")
    breaks(monkeypatch, set_aside, "told_of_death", lambda target: target.pk == bad.pk, error)
    own_alerts.tell_of_dead_targets(scene.now)
    assert sorted(Target.objects.filter(dead_told=True).values_list("address", flat=True)) == ["b", "c"]


@pytest.mark.parametrize("error", ERRORS, ids=repr)
def test_an_early_report_that_cannot_be_applied_delays_no_other(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    for number in range(3):
        scene.alert(event_type=f"type.{number}")
    scene.deliver()
    Attempt.objects.update(receipt="undelivered", receipt_code="30003", receipt_at=NOON)
    bad = Attempt.objects.order_by("pk")[0].pk
    breaks(monkeypatch, reports, "_apply", lambda attempt, *_: attempt.pk == bad, error)
    assert reports.catch_up(scene.now) == 2
    assert list(Attempt.objects.filter(result=Result.DELIVERED).values_list("pk", flat=True)) == [bad]


@pytest.mark.parametrize("error", ERRORS, ids=repr)
def test_a_recovery_that_cannot_be_written_hides_no_other(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    for name in ("a", "b", "c"):
        scene.alert(event_id=f"evt_{name}", event_type=name)
        WebhookEvent.objects.create(
            event_id=f"evt_{name}",
            type=name,
            kind="snapshot",
            created=NOON,
            livemode=True,
            endpoint="default",
            body="{}",
            state=WebhookEvent.State.PROCESSED,
            received_at=NOON,
            armed_at=NOON,
        )
    breaks(monkeypatch, pipeline, "recovered", lambda event, *_: event == "evt_a", error)
    inbound.reconcile(0, scene.now)
    assert list(Alert.objects.filter(resolved_at__isnull=True).values_list("event_type", flat=True)) == ["a"]


# --- A digest that raises -----------------------------------------------------------------------------------------


def a_due_digest(scene: Scene, configure: Configure, name: str = "daily") -> Digest:
    configure(digests={"daily": {"AT": "09:00", "TO": ["chat"], "WHEN_QUIET": True}})
    send_digest(name, NOON - timedelta(days=2), NOON - timedelta(days=1), scene.now)
    assert send_digest(name, NOON - timedelta(days=1), NOON, scene.now)
    return Digest.objects.get(due_at__isnull=False)


@pytest.mark.parametrize("error", ERRORS, ids=repr)
def test_a_digest_that_raises_is_marked_said_and_tried_again_and_ends_no_step(
    scene: Scene, configure: Configure, monkeypatch: pytest.MonkeyPatch, said: list[str], error: Exception
) -> None:
    digest = a_due_digest(scene, configure)
    with monkeypatch.context() as patched:
        calls = breaks(patched, compose, "digest_message", lambda *_: True, error)
        assert scene.deliver() == []
        digest.refresh_from_db()
        assert type(error).__name__ in digest.outcome
        assert digest.due_at is not None
        assert digest.due_at > scene.now
        assert len(said) == 1
        for number in range(3):
            scene.alert(event_type=f"type.{number}")
        assert len(scene.deliver()) == 3, "the channel goes on"
        scene.pass_time(HOUR, 10 * SECOND)
        assert 3 < len(calls) < 15
        assert len(said) == 1
    assert [str(one.message.reason) for one in scene.pass_time(31 * MINUTE)] == ["digest"]


def test_a_digest_that_raises_for_three_days_is_given_up_and_that_is_said(
    scene: Scene, configure: Configure, monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    digest = a_due_digest(scene, configure)
    breaks(monkeypatch, compose, "digest_message", lambda *_: True, KeyError("x"))
    scene.pass_time(timedelta(days=3, hours=6), 3 * HOUR)
    digest.refresh_from_db()
    assert digest.due_at is None
    assert len(said) == 2


@pytest.mark.parametrize(
    ("answers", "passes"),
    [
        (lambda: DeliveryError(Result.REJECTED, "413", "too long"), timedelta(0)),
        (unsure, timedelta(days=3, hours=6)),
        (lambda: DeliveryError(Result.RETRY, "503", "later"), timedelta(days=3, hours=6)),
    ],
    ids=["refused", "unsure for three days", "busy for three days"],
)
def test_a_digest_that_is_given_up_is_said(
    scene: Scene, configure: Configure, said: list[str], answers: Callable[[], DeliveryError], passes: timedelta
) -> None:
    digest = a_due_digest(scene, configure)
    memory.fail_next(*[answers() for _ in range(2000)])
    scene.deliver()
    scene.pass_time(passes, 3 * HOUR)
    digest.refresh_from_db()
    assert digest.due_at is None
    assert len([one for one in said if "igest daily" in one]) == 1


def test_a_digest_for_a_recipient_that_is_set_aside_is_said(
    scene: Scene, configure: Configure, said: list[str]
) -> None:
    digest = a_due_digest(scene, configure)
    set_aside.set_aside(digest.target_id, refused(dead=True), scene.now)
    scene.deliver()
    assert len([one for one in said if "igest daily" in one]) == 1


def test_a_digest_that_never_arrived_is_said(scene: Scene, configure: Configure, said: list[str]) -> None:
    a_due_digest(scene, configure)
    scene.deliver()
    Attempt.objects.update(receipt="undelivered", receipt_code="30003", receipt_at=NOON)
    reports.catch_up(scene.now)
    assert len([one for one in said if "igest daily" in one]) == 1


def test_a_quiet_digest_is_not_said(scene: Scene, configure: Configure, said: list[str]) -> None:
    a_due_digest(scene, configure)
    configure(digests={"daily": {"AT": "09:00", "TO": ["chat"], "WHEN_QUIET": False}})
    assert scene.deliver() == []
    assert not Digest.objects.filter(due_at__isnull=False).exists()
    assert said == []


def test_nothing_waits_in_a_policy_without_digests(scene: Scene) -> None:
    tick.start_digests(scene.now)
    assert not get_policy().digests
