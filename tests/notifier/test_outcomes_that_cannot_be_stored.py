"""An outcome that the database does not take ends as its own: the others stand, and nobody is told twice."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import DataError, OperationalError

from notifier.channels import memory
from notifier.facts import Message, Receipt, Result
from notifier.judge import timing
from notifier.models import Attempt, Notification
from notifier.outbox import after_try, finishing, unwritten
from tests.notifier.conftest import Configure
from tests.notifier.scene import HOUR, MINUTE, Scene, busy, row_of

pytestmark = pytest.mark.django_db


class BrokenError(Exception):
    """Of no class that anybody expects."""


def _breaks_for(monkeypatch: pytest.MonkeyPatch, bad: int, error: BaseException) -> None:
    """What is written of one alert raises, whatever it is."""
    set_told, set_failed = after_try.set_told, after_try.set_failed

    def told(row: Notification, *rest: Any) -> None:
        if row.alert_id == bad:
            raise error
        set_told(row, *rest)

    def failed(rows: list[Notification], *rest: Any) -> None:
        if any(row.alert_id == bad for row in rows):
            raise error
        set_failed(rows, *rest)

    monkeypatch.setattr(after_try, "set_told", told)
    monkeypatch.setattr(after_try, "set_failed", failed)


@pytest.mark.parametrize("error", [DataError("out of range"), BrokenError(), OverflowError(), KeyError(1)], ids=repr)
def test_one_receipt_that_cannot_be_written_stops_no_other_and_doubles_nothing(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    alerts = [scene.alert(event_type=f"type.{number}") for number in range(5)]
    _breaks_for(monkeypatch, alerts[2].pk, error)

    sent = scene.deliver()

    assert len(sent) == 5
    for alert in alerts:
        row = row_of(alert)
        assert (row.told_seq, row.sending_id, row.sent) == (1, None, 1)
    assert Attempt.objects.filter(result=Result.DELIVERED).count() == 5
    odd = Attempt.objects.get(parts_told__notification__alert=alerts[2])
    assert odd.code == "not_stored"
    assert type(error).__name__ in odd.detail
    monkeypatch.undo()
    assert scene.pass_time(2 * HOUR) == [], "nobody is told a second time"
    assert row_of(alerts[2]).due_at is None


def test_one_failure_that_cannot_be_written_is_tried_again_like_the_others(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    alerts = [scene.alert(event_type=f"type.{number}") for number in range(3)]
    _breaks_for(monkeypatch, alerts[1].pk, BrokenError())
    memory.fail_next(busy(), busy(), busy())

    scene.deliver()

    row = row_of(alerts[1])
    assert row.due_at is not None
    assert (row.tries, row.told_seq, row.sending_id) == (1, 0, None)
    assert "BrokenError" in row.last_error
    monkeypatch.undo()
    scene.pass_time(5 * MINUTE)
    assert [row_of(alert).told_seq for alert in alerts] == [1, 1, 1]
    assert len(memory.outbox) == 3


def test_what_goes_on_failing_is_tried_with_a_growing_pause(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    alert = scene.alert()
    _breaks_for(monkeypatch, alert.pk, BrokenError())
    memory.fail_next(*[busy()] * 50)

    scene.pass_time(3 * HOUR)

    assert 5 < Attempt.objects.count() < 30
    due_at = row_of(alert).due_at
    assert due_at is not None
    assert due_at <= scene.now + unwritten.LONGEST_PAUSE


def test_a_database_that_was_locked_for_a_moment_changes_nothing(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    alert = scene.alert()
    written = finishing._finish_rows
    errors = [OperationalError("deadlock detected")] * 2

    def finish_rows(*given: Any) -> None:
        if errors:
            raise errors.pop()
        written(*given)

    monkeypatch.setattr(finishing, "_finish_rows", finish_rows)
    scene.deliver()

    assert row_of(alert).told_seq == 1
    assert Attempt.objects.get().code in ("", "not_stored")


def test_an_answer_no_column_takes_is_stored_as_far_as_it_can_be(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    odd: list[Any] = [7, "a\0b", "\ud800", "x" * 5000, None]

    def send(channel: memory.Memory, address: str, message: Message) -> Receipt:
        value = odd[len(Attempt.objects.exclude(result=Result.SENDING)) % len(odd)] if odd else ""
        memory.outbox.append(memory.Sent(address, message, Receipt()))
        return Receipt(value, value, 70_000, value)

    monkeypatch.setattr(memory.Memory, "send", send)
    alerts = [scene.alert(event_type=f"type.{number}") for number in range(6)]
    for number in range(len(odd)):
        scene.fail(event_type=f"other.{number}")
        scene.deliver()

    assert len(memory.outbox) == 11
    assert not Attempt.objects.exclude(result=Result.DELIVERED).exists()
    assert not Attempt.objects.filter(code="not_stored").exists()
    assert {row_of(alert).told_seq for alert in alerts} == {1}


def test_a_plan_that_overflows_is_one_rows_trouble(
    scene: Scene, configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, bad = scene.alert(event_type="good"), scene.alert(event_type="bad")
    next_due = timing.next_due

    def overflow(told: Any, alert: Any, *rest: Any) -> Any:
        if alert.subject.event_type == bad.event_type and told.seq:
            raise OverflowError("date value out of range")
        return next_due(told, alert, *rest)

    monkeypatch.setattr(timing, "next_due", overflow)
    scene.deliver()
    scene.fail(event_type="good")
    scene.pass_time(10 * MINUTE)

    assert row_of(good).told_seq == 2
    assert row_of(bad).told_seq == 1
    assert len(memory.outbox) == 3
