"""A rehearsal runs today's handlers over stored events, says what would come of it, and leaves nothing behind."""

from __future__ import annotations

import threading
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.db import connection, transaction
from django.utils import timezone

from alerts_runtime.isolation import later
from notifier import api
from notifier.models import Alert
from tests.webhooks.conftest import Change, Connect
from tests.webhooks.stripe_side import received
from webhooks import signals
from webhooks.events import StripeEvent
from webhooks.handlers import on
from webhooks.models import Failure, WebhookEvent
from webhooks.process import cut, processing, rehearsal
from webhooks.process.rehearsal import Failing, rehearse

pytestmark = pytest.mark.django_db(transaction=True)


def event(kind: str = "invoice.paid", state: str = "dead") -> str:
    row = received(kind)
    WebhookEvent.objects.filter(pk=row.pk).update(
        state=state, attempts=4, due_at=None if state == "dead" else row.due_at
    )
    return row.event_id


def rows() -> list[dict[str, Any]]:
    return [dict(row) for row in WebhookEvent.objects.order_by("pk").values()]


def test_it_says_how_many_would_pass_and_where_the_others_fail_and_leaves_all_as_it_was() -> None:
    @on("*")
    def handle(event: StripeEvent) -> None:
        Group.objects.create(name=event.id)
        if event.type == "charge.failed":
            raise KeyError("plan")

    passing = [event(), event(state="pending")]
    failing = [event("charge.failed"), event("charge.failed")]
    before = rows()

    found = rehearse([*passing, *failing])

    line = handle.__code__.co_firstlineno + 4
    where = f"tests/webhooks/test_rehearsal.py:{line}"
    assert found.failures == (Failing("KeyError", where, 2, failing[0]),)
    assert (found.passed, found.tried, found.left_out) == (2, 4, {})
    assert found.sentence == f"2 of 4 would pass, 2 fail with KeyError in {where}."
    assert rows() == before
    assert not Group.objects.exists()
    assert not Failure.objects.exists()


def test_nobody_is_told_and_no_callback_runs(connect: Connect) -> None:
    ran: list[str] = []

    @on("*")
    def handle(event: StripeEvent) -> None:
        transaction.on_commit(lambda: ran.append("callback"))
        api.alert("A payout is late", key="payouts")
        api.resolve("payouts")
        if event.type == "charge.failed":
            raise ValueError

    connect(signals.webhook_processing_error, lambda **_: ran.append("error"))
    connect(signals.webhook_pre_process, lambda instance, **_: ran.append(f"pre {instance.state} {instance.attempts}"))
    connect(signals.webhook_post_process, lambda **_: ran.append("post"))
    rehearse([event(), event("charge.failed")])

    assert later.settle(10)
    assert ran == ["pre processing 5", "post", "pre processing 5"]
    assert not Alert.objects.exists()


def test_a_receiver_that_would_fail_the_attempt_fails_it_here(connect: Connect) -> None:
    def refuse(**_: object) -> None:
        raise RuntimeError("the ledger is closed")

    on("*")(lambda event: None)
    connect(signals.webhook_post_process, refuse)
    assert [one.exception for one in rehearse([event()]).failures] == ["RuntimeError"]


def test_what_cannot_be_tried_is_counted_by_its_reason() -> None:
    @on("a.*")
    def handle(event: StripeEvent) -> None: ...

    @on("b.network", "a.both", atomic=False)
    def call(event: StripeEvent) -> None:
        raise AssertionError("a rehearsal calls no network")

    states = [
        event("a.x", "processing"),
        event("a.x", "processed"),
        event("a.x", "incomplete"),
        event("a.x", "ignored"),
    ]
    found = rehearse([*states, "evt_gone", event("b.network"), event("c.nobody"), event("a.both"), event("a.x")])
    assert (found.passed, found.partly) == (2, 1)
    assert set(found.left_out.values()) == {1}
    assert found.sentence == (
        "All 2 would pass; of 1 only a part was tried: other handlers call the network (atomic=False); not tried: "
        "1 being processed, 1 processed already, 1 processed already, but for a callback after the commit, "
        "1 of the mode that their endpoint does not handle, 1 not stored here, "
        "1 their handlers call the network (atomic=False), 1 no handler takes them."
    )


@pytest.mark.parametrize(
    ("number", "limit", "sentence"),
    [
        (0, None, "None was tried."),
        (1, None, "The one would pass."),
        (7, 3, "All 3 would pass; not tried: 4 not in the sample."),
        (3, 0, "None was tried; not tried: 3 not in the sample."),
    ],
)
def test_a_sample_is_spread_over_all(number: int, limit: int | None, sentence: str) -> None:
    seen: list[str] = []
    on("*")(lambda event: seen.append(event.id))
    ids = [event() for _ in range(number)]
    assert rehearse(ids, limit=limit).sentence == sentence
    assert seen == [ids[place] for place in ([0, 2, 4][:limit] if limit is not None else range(number))]


@pytest.mark.skipif(connection.vendor != "sqlite", reason="elsewhere a rehearsal stops nobody")
def test_on_sqlite_only_a_sample_is_tried_unless_more_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rehearsal, "SAMPLE", 2)
    on("*")(lambda event: None)
    ids = [event() for _ in range(5)]
    assert rehearse(ids).tried == 2
    assert rehearse(ids, limit=5).tried == 5


def test_no_further_one_is_begun_when_the_time_is_over() -> None:
    on("*")(lambda event: None)
    assert rehearse([event(), event()], seconds=0).sentence == "None was tried; not tried: 2 no time was left."


@pytest.mark.parametrize("statement", ["COMMIT", "  end", "ROLLBACK", "BEGIN"])
def test_a_handler_cannot_end_the_transaction_by_hand(statement: str) -> None:
    @on("*")
    def handle(event: StripeEvent) -> None:
        Group.objects.create(name="kept?")
        with connection.cursor() as cursor:
            cursor.execute(statement)

    (failing,) = rehearse([event()]).failures
    assert failing.exception == "django.db.transaction.TransactionManagementError"
    assert not Group.objects.exists()


def test_savepoints_work_as_they_do() -> None:
    @on("*")
    def handle(event: StripeEvent) -> None:
        try:
            with transaction.atomic():
                Group.objects.create(name="x" * 10)
                raise LookupError
        except LookupError:
            assert not Group.objects.exists()

    assert rehearse([event()]).passed == 1


def test_a_handler_that_hangs_is_cut_off_and_is_the_last(
    webhooks_settings: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    webhooks_settings(HANDLER_TIMEOUT=1)
    go_on, really = threading.Event(), cut.cut

    def cut_and_go_on(*arguments: Any) -> None:
        really(*arguments)
        go_on.set()

    monkeypatch.setattr(cut, "cut", cut_and_go_on)

    @on("*")
    def handle(event: StripeEvent) -> None:
        Group.objects.create(name="early")
        go_on.wait(30)
        Group.objects.create(name="late")

    found = rehearse([event(), event()])
    assert [one.exception for one in found.failures] == ["webhooks.exceptions.HandlerTimeout"]
    assert found.failures[0].where == f"tests/webhooks/test_rehearsal.py:{handle.__code__.co_firstlineno + 3}"
    assert found.left_out == {rehearsal.AFTER_HUNG: 1}
    assert not Group.objects.exists()


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite checks at the commit alone")
def test_what_the_commit_would_refuse_fails() -> None:
    @on("*")
    def handle(event: StripeEvent) -> None:
        Failure.objects.create(event_id=-1, attempt=1, occurred_at=timezone.now(), exception="X", will_retry=False)

    assert [one.exception for one in rehearse([event()]).failures] == ["django.db.IntegrityError"]


def test_inside_a_transaction_of_the_callers_it_leaves_that_as_it_was() -> None:
    @on("*")
    def handle(event: StripeEvent) -> None:
        Group.objects.create(name="theirs")

    dead = event()
    with transaction.atomic():
        Group.objects.create(name="ours")
        assert rehearse([dead]).passed == 1
    assert [group.name for group in Group.objects.all()] == ["ours"]


def test_the_command_rehearses_what_was_given_up_and_what_waits() -> None:
    @on("*")
    def handle(event: StripeEvent) -> None:
        raise KeyError

    dead, waiting, done = event(), event(state="pending"), event(state="processed")
    other = event("charge.failed")
    old = timezone.now() - timedelta(days=2)
    WebhookEvent.objects.filter(event_id=other).update(received_at=old)
    before = rows()
    out = StringIO()
    call_command("replay", "--rehearse", "--since", "1d", stdout=out)
    assert out.getvalue().splitlines()[0].startswith("None of 2 would pass, 2 fail with KeyError in tests/webhooks/")
    assert f"for example {dead}" in out.getvalue()
    assert rows() == before

    call_command("replay", "--rehearse", done, waiting, stdout=out)
    assert "None of 1 would pass, 1 fails with KeyError" in out.getvalue()
    assert "not tried: 1 processed already" in out.getvalue()
    assert rows() == before


def test_after_a_rehearsal_the_events_are_processed_as_ever() -> None:
    seen: list[str] = []
    on("*")(lambda event: seen.append(event.id))
    waiting = event(state="pending")
    rehearse([waiting])
    assert processing.process_due()
    assert seen == [waiting, waiting]
    assert WebhookEvent.objects.get().state == "processed"
