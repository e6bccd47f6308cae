"""Failures that raise no exception, found in real rows of what came in, and targets that were set aside."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from notifier.channels import memory
from notifier.delivery import own_alerts, tick
from notifier.facts import Severity
from notifier.flow import silences
from notifier.models import Alert, Silence, Target
from tests.notifier.conftest import Configure
from tests.notifier.scene import HOUR, MINUTE, Scene, reasons, refused, row_of
from webhooks.models import Refusal, WebhookEvent

pytestmark = pytest.mark.django_db


def refuse(scene: Scene, count: int, reason: str = "no_match", **values: Any) -> None:
    known = {"endpoint": "default", "reason": reason, "minute": scene.now, "count": count, "last_at": scene.now}
    Refusal.objects.create(**known | values)


def receive(scene: Scene, number: int = 1, **values: Any) -> None:
    known: dict[str, Any] = {
        "type": "invoice.paid",
        "kind": WebhookEvent.Kind.SNAPSHOT,
        "endpoint": "default",
        "livemode": True,
        "created": scene.now,
        "received_at": scene.now,
        "body": "{}",
        "state": WebhookEvent.State.PROCESSED,
    }
    before = WebhookEvent.objects.count()
    WebhookEvent.objects.bulk_create(
        WebhookEvent(event_id=f"evt_{before + each}", **known | values) for each in range(number)
    )


def test_a_healthy_site_raises_nothing(scene: Scene) -> None:
    receive(scene, 100)
    refuse(scene, 10)  # a stranger: fewer than one in five

    own_alerts.watch_inbound(scene.now)
    assert not Alert.objects.exists()


def test_a_rotated_secret_is_one_critical_alert_that_ends_by_itself(scene: Scene) -> None:
    receive(scene, 100)
    scene.clock.step(20 * MINUTE)
    refuse(scene, 20)
    for _ in range(3):  # three workers in the same minute
        own_alerts.watch_inbound(scene.now)
    alert = Alert.objects.get()
    assert (alert.severity, alert.count, alert.source) == (Severity.CRITICAL, 1, "watch.refused.default.no_match")
    assert reasons(scene.deliver()) == ["first"]

    scene.clock.step(5 * MINUTE)
    own_alerts.watch_inbound(scene.now)
    alert.refresh_from_db()
    assert alert.count == 2

    scene.clock.step(16 * MINUTE)  # the refusals are out of the window
    own_alerts.watch_inbound(scene.now)
    tick.resolve_overdue(scene.now)
    alert.refresh_from_db()
    assert alert.resolved_how == "by itself: quiet"
    assert reasons(scene.deliver()) == ["resolved"]


def test_each_reason_and_endpoint_is_an_alert_of_its_own(scene: Scene) -> None:
    refuse(scene, 20)
    refuse(scene, 20, reason="too_old")
    refuse(scene, 20, endpoint="connect")
    own_alerts.watch_inbound(scene.now)

    assert set(Alert.objects.values_list("source", flat=True)) == {
        "watch.refused.default.no_match",
        "watch.refused.default.too_old",
        "watch.refused.connect.no_match",
    }


def test_a_type_that_stays_away_is_noticed_and_its_return_too(scene: Scene, configure: Configure) -> None:
    configure(expect={"invoice.paid": "6h"})
    receive(scene)
    scene.clock.step(6 * HOUR)
    own_alerts.watch_inbound(scene.now)
    assert not Alert.objects.exists()

    scene.clock.step(MINUTE)
    own_alerts.watch_inbound(scene.now)
    alert = Alert.objects.get()
    assert alert.title.startswith("No invoice.paid for 6 h")
    receive(scene)
    scene.clock.step(16 * MINUTE)
    own_alerts.watch_inbound(scene.now)
    tick.resolve_overdue(scene.now)
    alert.refresh_from_db()
    assert alert.resolved_at is not None


def test_a_backlog_is_noticed(scene: Scene) -> None:
    receive(scene, 3, state=WebhookEvent.State.PENDING, due_at=scene.now)
    scene.clock.step(11 * MINUTE)
    own_alerts.watch_inbound(scene.now)

    alert = Alert.objects.get()
    assert (alert.source, alert.category, alert.severity) == ("watch.backlog", "worker", Severity.CRITICAL)
    assert alert.title.startswith("3 events wait for a worker")


def test_a_target_that_was_set_aside_is_one_alert_of_its_own(scene: Scene, configure: Configure) -> None:
    configure(
        channels={"chat": {"BACKEND": "memory", "FAILOVER": "other"}, "other": {"BACKEND": "memory"}},
        routes=[{"match": {"category": "delivery"}, "to": ["other"]}, {"to": ["chat"]}],
    )
    memory.fail_next(refused(dead=True))
    scene.fail()
    scene.deliver()
    target = Target.objects.get(channel="chat")
    for _ in range(2):
        own_alerts.tell_of_dead_targets(scene.now)

    alert = Alert.objects.get(source=f"delivery.{target.pk}")
    assert (alert.count, alert.category) == (1, "delivery")
    assert alert.title.startswith("Channel chat cannot be used")
    assert "send_test chat" in alert.hint
    scene.deliver()
    assert row_of(alert, "other:other").told_seq == 1


def test_a_target_that_is_set_aside_a_second_time_is_told_again(scene: Scene) -> None:
    target = Target.objects.create(
        key="chat:chat", channel="chat", address="chat", dead_since=scene.now, dead_detail="gone"
    )
    own_alerts.tell_of_dead_targets(scene.now)
    target.dead_since, target.dead_told = scene.now + timedelta(days=2), False
    target.save()
    own_alerts.tell_of_dead_targets(scene.now + timedelta(days=2))

    assert Alert.objects.get().count == 2


@pytest.mark.parametrize("reason", ["no_match", "missing", "malformed", "bad_encoding"])
def test_forged_posts_to_a_site_without_traffic_page_nobody(scene: Scene, configure: Configure, reason: str) -> None:
    configure(
        channels={"chat": {"BACKEND": "memory"}, "oncall": {"BACKEND": "memory"}},
        routes={"critical": ["oncall"], "*": ["chat"]},
    )
    receive(scene, received_at=scene.now - 20 * HOUR)  # one event a day
    receive(scene, received_at=scene.now - 44 * HOUR)
    refuse(scene, 12, reason=reason)
    own_alerts.watch_inbound(scene.now)

    assert Alert.objects.get().severity == Severity.WARNING
    assert [sent.address for sent in scene.deliver()] == ["chat"]


def test_a_quiet_night_is_no_stop_and_the_same_silence_by_day_is(scene: Scene) -> None:
    night, day = scene.now.replace(hour=3), scene.now.replace(hour=15)
    for back in range(1, 8):
        for hour in range(8, 24):  # ten events an hour from eight to midnight
            at = (day - timedelta(days=back)).replace(hour=hour)
            receive(scene, 10, received_at=at)
    receive(scene, received_at=night.replace(hour=0))

    def severity_at(at: datetime) -> int:
        refuse(scene, 12, minute=at)
        own_alerts.watch_inbound(at)
        return int(Alert.objects.latest("pk").severity)

    assert severity_at(night) == Severity.WARNING
    receive(scene, 10, received_at=day - HOUR)
    assert severity_at(day) == Severity.CRITICAL


def test_a_silence_that_cannot_be_read_is_told_and_stops_no_channel(scene: Scene) -> None:
    times = {"starts_at": scene.now, "ends_at": scene.now + HOUR, "created_at": scene.now, "author": "", "comment": ""}
    unreadable: list[Any] = [{"evnt": "x"}, [], "text", {}, {"event": {"a": 1}}]
    for matcher in unreadable:
        Silence.objects.create(matcher=matcher, **times)
    scene.fail()
    assert reasons(scene.deliver()) == ["first"]

    own_alerts.tell_of_unreadable_silences(scene.now)
    assert Alert.objects.filter(source__startswith="silence.").count() == 5
    assert "so it silences nothing" in scene.deliver()[0].message.title


def test_a_silence_whose_matcher_is_no_json_stops_no_channel(scene: Scene) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL stores JSON only")
    times = {"starts_at": scene.now, "ends_at": scene.now + HOUR, "created_at": scene.now, "author": "", "comment": ""}
    good = Silence.objects.create(matcher={"event": "customer.*"}, **times)
    bad = Silence.objects.create(matcher={"event": "invoice.*"}, **times)
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA ignore_check_constraints = ON")
        cursor.execute("UPDATE swa_notifier_silence SET matcher = '{broken' WHERE id = %s", [bad.pk])
        cursor.execute("PRAGMA ignore_check_constraints = OFF")
    scene.fail()
    assert reasons(scene.deliver()) == ["first"]
    assert [row.pk for row in silences.unreadable(scene.now)] == [bad.pk]
    assert [silenced.id for silenced in silences.in_force(scene.now)] == [good.pk]
