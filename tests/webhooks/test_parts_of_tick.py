"""The parts of the tick, and the rows of each, are on their own: one that raises keeps no other from its turn."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import DatabaseError
from django.utils import timezone

from alerts_runtime.isolation import parts
from tests.holding import let_pass
from tests.webhooks.conftest import Connect
from tests.webhooks.stripe_side import received
from webhooks import loops, signals
from webhooks.events import StripeEvent
from webhooks.handlers import on
from webhooks.models import Failure, WebhookEvent
from webhooks.process import announcements, arm, failures, lost, processing

pytestmark = pytest.mark.django_db(transaction=True)

PARTS: list[tuple[Any, str]] = [
    (failures, "write_marks"),
    (arm, "bring_forward"),
    (lost, "expire"),
    (failures, "unannounced"),
    (arm, "prune"),
]
ERRORS = [ValueError("bad"), OverflowError(), DatabaseError("cannot be done")]


@pytest.fixture(autouse=True)
def _everything_is_due(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tick has a clock that stepped back, and something to prune."""
    back = timedelta(minutes=5)
    monkeypatch.setattr(loops._stepped_back, "since", lambda now: back)
    monkeypatch.setattr(loops._pruner, "step", loops.prune)


def _calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the tick calls, in its order."""
    called: list[str] = []

    def note(module: Any, name: str) -> Callable[..., Any]:
        known = getattr(module, name)

        def noted(*given: Any) -> Any:
            called.append(name)
            return known(*given)

        return noted

    for module, name in PARTS:
        monkeypatch.setattr(module, name, note(module, name))
    return called


@pytest.mark.parametrize("error", ERRORS, ids=repr)
@pytest.mark.parametrize(("where", "broken"), PARTS, ids=[name for _, name in PARTS])
def test_a_part_that_raises_stops_no_other(
    monkeypatch: pytest.MonkeyPatch, where: Any, broken: str, error: Exception
) -> None:
    def breaks(*_: Any) -> Any:
        raise error

    monkeypatch.setattr(where, broken, breaks)
    called = _calls(monkeypatch)
    assert 0 < loops.tick() <= loops.TICK
    assert set(called) == {name for _, name in PARTS}


def test_a_database_that_is_away_ends_the_tick(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*_: Any) -> Any:
        raise DatabaseError("it is away")

    monkeypatch.setattr(lost, "expire", breaks)
    monkeypatch.setattr(parts, "database_answers", lambda: False)
    with pytest.raises(DatabaseError):
        loops.tick()


def _three_failures() -> list[Failure]:
    @on("*")
    def handle(event: StripeEvent) -> None:
        raise KeyError("amount")

    for _ in range(3):
        received("invoice.paid")
    for _ in range(3):
        processing.process_due()
    found = list(Failure.objects.order_by("pk"))
    assert len(found) == 3
    return found


@pytest.mark.parametrize("error", ERRORS, ids=repr)
def test_a_failure_that_cannot_be_announced_keeps_no_other_unannounced(
    monkeypatch: pytest.MonkeyPatch, connect: Connect, error: Exception
) -> None:
    bad = _three_failures()[0].pk
    Failure.objects.update(announced_at=None, occurred_at=timezone.now() - timedelta(minutes=1), announce_at=None)
    known = failures.begin_again

    def breaks(failure: Failure, now: datetime) -> bool:
        if failure.pk == bad:
            raise error
        return known(failure, now)

    monkeypatch.setattr(failures, "begin_again", breaks)
    connect(signals.webhook_processing_error, lambda **_: None)
    loops.tick()
    assert list(Failure.objects.filter(announced_at=None).values_list("pk", flat=True)) == [bad]


@pytest.mark.parametrize("error", ERRORS, ids=repr)
def test_a_lease_that_cannot_be_ended_keeps_no_other_from_its_end(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    rows = [received("invoice.paid") for _ in range(3)]
    for row in rows:
        WebhookEvent.objects.filter(pk=row.pk).update(state="processing", token=f"dead-{row.pk}")
    assert list(lost.expire(timezone.now())) == []
    let_pass()
    monkeypatch.setattr(arm, "bring_forward", lambda *_: None)
    known = lost._plan_lost

    def breaks(row: WebhookEvent, *rest: Any) -> Any:
        if row.pk == rows[0].pk:
            raise error
        return known(row, *rest)

    monkeypatch.setattr(lost, "_plan_lost", breaks)
    monkeypatch.setattr(announcements, "worker_lost", breaks_for_second(rows[1].pk, error))
    loops.tick()
    assert list(WebhookEvent.objects.filter(state="processing").values_list("pk", flat=True)) == [rows[0].pk]
    assert Failure.objects.count() == 2


def breaks_for_second(pk: int, error: Exception) -> Callable[[WebhookEvent, Failure], None]:
    def breaks(row: WebhookEvent, failure: Failure) -> None:
        if row.pk == pk:
            raise error

    return breaks
