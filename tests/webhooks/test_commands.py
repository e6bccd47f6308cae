"""replay, prune and trigger."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django.live_server_helper import LiveServer

from alerts_runtime.database.retention import Pruner
from alerts_runtime.wakeups import wake
from tests.webhooks.conftest import Change
from tests.webhooks.stripe_side import deliver, received
from webhooks import events, loops, samples
from webhooks.handlers import on
from webhooks.models import Failure, Refusal, Traceback, WebhookEvent
from webhooks.process import processing


def run(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def event(event_type: str = "invoice.paid", *, state: str = "dead", age: timedelta | None = None) -> WebhookEvent:
    row = received(event_type)
    due_at = row.due_at if state in ("pending", "processing") else None
    received_at = timezone.now() - (age or timedelta(0))
    WebhookEvent.objects.filter(pk=row.pk).update(state=state, attempts=4, due_at=due_at, received_at=received_at)
    row.refresh_from_db()
    return row


def states() -> dict[str, str]:
    return dict(WebhookEvent.objects.values_list("type", "state"))


# --- replay -------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_replay_arms_dead_events_again(monkeypatch: pytest.MonkeyPatch) -> None:
    woken: list[str] = []
    monkeypatch.setattr(wake, "wake", woken.append)
    row, processed = event("a.dead"), event("a.processed", state="processed")
    woken.clear()
    out = run("replay")
    assert out == f"{row.event_id} a.dead: replayed\n1 replayed\n"
    assert woken == ["events"]
    row.refresh_from_db()
    assert (row.state, row.attempts, row.earlier_attempts) == ("pending", 4, 4)
    assert row.due_at == row.armed_at
    processed.refresh_from_db()
    assert processed.state == "processed"


@pytest.mark.django_db
@pytest.mark.usefixtures("servers_clock")
@pytest.mark.skipif(connection.vendor != "postgresql", reason="a file has no clock of its own")
@pytest.mark.parametrize("off", [timedelta(minutes=10), timedelta(minutes=-10)])
def test_what_is_replayed_on_a_machine_whose_clock_is_off_is_due_at_once(
    monkeypatch: pytest.MonkeyPatch, off: timedelta
) -> None:
    row, now = event("a.dead"), timezone.now
    true = now()
    monkeypatch.setattr(timezone, "now", lambda: now() + off)
    run("replay")
    row.refresh_from_db()
    assert row.due_at is not None
    assert true <= row.due_at <= true + timedelta(seconds=10)


@pytest.mark.django_db
def test_replay_twice_is_replay_once() -> None:
    row = event()
    run("replay", row.event_id)
    before = WebhookEvent.objects.values().get()
    out = run("replay", row.event_id)
    assert "left alone: it waits for its next attempt already" in out
    assert out.endswith("1 left alone\n")
    assert WebhookEvent.objects.values().get() == before


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("arguments", "replayed"),
    [
        (["--type", "invoice.*"], {"invoice.paid"}),
        (["--type", "charge.failed"], {"charge.failed"}),
        (["--since", "2h"], {"charge.failed"}),
        (["--until", "2h"], {"invoice.paid"}),
        (["--since", "3d", "--until", "90m"], {"invoice.paid"}),
        (["--state", "dead"], {"invoice.paid", "charge.failed"}),
        (["--state", "processed"], set()),
        (["--state", "pending"], set()),
        (["--state", "processed", "--include-processed"], {"payout.paid"}),
        (["--include-processed"], {"invoice.paid", "charge.failed", "payout.paid"}),
        (["--dry-run"], set()),
        ([], {"invoice.paid", "charge.failed"}),
    ],
)
def test_replay_takes_what_matches(arguments: list[str], replayed: set[str]) -> None:
    event("invoice.paid", age=timedelta(hours=5))
    event("charge.failed", age=timedelta(hours=1))
    event("payout.paid", state="processed")
    event("topup.created", state="pending")
    event("source.canceled", state="processing")
    before = states()
    run("replay", *arguments)
    assert {name for name, state in states().items() if state != before[name]} == replayed


@pytest.mark.django_db
def test_replay_says_what_it_leaves_alone_and_what_it_does_not_find() -> None:
    row = event(state="processed")
    with pytest.raises(CommandError, match=r"Not found: evt_nobody\."):
        run("replay", row.event_id, "evt_nobody")
    assert "--include-processed runs it again" in run("replay", row.event_id)
    assert run("replay", "--type", "nothing.*") == "Nothing matches.\n"
    assert "would be replayed" in run("replay", row.event_id, "--include-processed", "--dry-run")
    with pytest.raises(CommandError, match="is not an age such as"):
        run("replay", "--since", "yesterday")


@pytest.mark.django_db(transaction=True)
def test_a_replayed_event_has_all_its_attempts_and_is_told_apart() -> None:
    broken = [True]

    @on("*")
    def handle(event: events.StripeEvent) -> None:
        if broken:
            raise ValueError

    row = event()
    run("replay", row.event_id)
    processing.process_due()
    failure = Failure.objects.get()
    assert (failure.attempt, failure.will_retry) == (1, True)
    broken.clear()
    WebhookEvent.objects.update(due_at=timezone.now())
    processing.process_due()
    row.refresh_from_db()
    assert (row.state, row.how_processed, row.attempts) == ("processed", "replay", 6)


@pytest.fixture
def planned() -> WebhookEvent:
    """An event that failed twice, was armed again, failed once more, and is to be tried again in an hour."""
    row = event(state="pending")
    later = timezone.now() + timedelta(hours=1)
    WebhookEvent.objects.filter(pk=row.pk).update(attempts=3, earlier_attempts=2, due_at=later)
    row.refresh_from_db()
    return row


@pytest.mark.django_db
@pytest.mark.parametrize("named", [True, False])
def test_replay_makes_planned_retries_due_now_when_asked(
    planned: WebhookEvent, named: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    woken: list[str] = []
    monkeypatch.setattr(wake, "wake", woken.append)
    arguments = [planned.event_id] if named else ["--type", "invoice.*"]
    before = WebhookEvent.objects.values().get()
    run("replay", *arguments)
    assert f"{planned.event_id} invoice.paid: would be due now\n" in run("replay", *arguments, "--pending", "--dry-run")
    assert WebhookEvent.objects.values().get() == before
    assert woken == []

    out = run("replay", *arguments, "--pending")

    assert out == f"{planned.event_id} invoice.paid: due now\n1 due now\n"
    after = WebhookEvent.objects.values().get()
    assert WebhookEvent.objects.filter(due_at__lte=timezone.now()).exists()
    assert after | {"due_at": before["due_at"]} == before, "nothing else changes: the attempts count on"
    assert woken == ["events"]
    assert "left alone: its turn comes without that" in run("replay", *arguments, "--pending")


@pytest.mark.django_db(transaction=True)
def test_a_hurried_event_goes_on_counting_its_attempts(planned: WebhookEvent) -> None:
    on("*")(lambda event: 1 / 0)
    run("replay", "--pending")
    processing.process_due()
    assert Failure.objects.get().attempt == 2


@pytest.mark.django_db
def test_replay_hurries_no_event_that_was_never_tried() -> None:
    """Of an inline endpoint: the request that stored it is about to handle it."""
    row = event(state="pending")
    later = timezone.now() + timedelta(hours=73)
    WebhookEvent.objects.filter(pk=row.pk).update(attempts=0, due_at=later)
    assert "left alone" in run("replay", "--pending")
    row.refresh_from_db()
    assert row.due_at == later


@pytest.mark.django_db
def test_replay_takes_dead_and_planned_events_together(planned: WebhookEvent) -> None:
    dead = event("charge.failed")
    out = run("replay", "--pending")
    assert f"{dead.event_id} charge.failed: replayed" in out
    assert out.endswith("1 due now, 1 replayed\n")


# --- prune --------------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_prune_deletes_what_is_older_than_the_retention_and_says_how_much() -> None:
    on("a.*")(lambda event: 1 / 0)
    failed = received("a.old")
    processing.process_due()
    assert Traceback.objects.count() == Failure.objects.count() == 1
    old, young = timedelta(days=91), timedelta(days=89)
    WebhookEvent.objects.filter(pk=failed.pk).update(state="processed", received_at=timezone.now() - old)
    event("b.old_dead", age=old)
    event("b.old_pending", state="pending", age=old)
    event("b.young", state="processed", age=young)
    for age in (old, young):
        minute = timezone.now() - age
        Refusal.objects.create(endpoint="default", reason="no_match", minute=minute, last_at=minute, count=3)
    assert run("prune") == (
        "Deleted what is older than 90 days: 1 events, 1 failures, 1 tracebacks, 1 refusal counts.\n"
    )
    assert set(states()) == {"b.old_dead", "b.old_pending", "b.young"}
    assert "1 events" in run("prune", "--dead")
    assert set(states()) == {"b.old_pending", "b.young"}
    assert "1 events" in run("prune", "--days", "10")
    assert set(states()) == {"b.old_pending"}


@pytest.mark.django_db(transaction=True)
def test_prune_keeps_a_traceback_that_another_failure_shares() -> None:
    on("*")(lambda event: 1 / 0)
    first = received()
    processing.process_due()
    received()
    processing.process_due()
    assert Traceback.objects.count() == 1
    WebhookEvent.objects.filter(pk=first.pk).update(state="processed", received_at=timezone.now() - timedelta(days=99))
    assert "0 tracebacks" in run("prune")
    assert Failure.objects.get().traceback


@pytest.mark.django_db
def test_prune_works_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alerts_runtime.database.retention.BATCH", 2)
    for number in range(5):
        event(f"a.n{number}", state="processed", age=timedelta(days=2))
    assert "5 events" in run("prune", "--days", "1")
    with pytest.raises(CommandError, match="from 0 to 36500"):
        run("prune", "--days", "-1")


@pytest.mark.django_db(transaction=True)
def test_the_worker_prunes_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alerts_runtime.database.retention.BATCH", 2)
    monkeypatch.setattr(loops, "_pruner", Pruner(loops.prune))
    old, young = timedelta(days=91), timedelta(days=89)
    for number in range(5):
        event(f"a.n{number}", state="processed", age=old)
    event("b.old_dead", age=old)
    event("b.old_pending", state="pending", age=old)
    event("b.young", state="processed", age=young)
    Traceback.objects.create(sha256="x" * 64, text="of nobody any more")
    for age in (old, young):
        minute = timezone.now() - age
        Refusal.objects.create(endpoint="default", reason="no_match", minute=minute, last_at=minute, count=3)

    loops.tick()
    assert WebhookEvent.objects.filter(type__startswith="a.").count() == 3

    for _ in range(6):
        loops.tick()
    assert set(states()) == {"b.old_dead", "b.old_pending", "b.young"}
    assert not Traceback.objects.exists()
    assert Refusal.objects.count() == 1


# --- trigger ------------------------------------------------------------------------------------------------------


@pytest.fixture
def url(live_server: LiveServer) -> str:
    return f"{live_server.url}/stripe/default/"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("event_type", "arguments", "expected"),
    [
        (
            "invoice.paid",
            ["--livemode", "--amount", "1250.00", "--currency", "USD"],
            {"livemode": True, "amount": 125_000, "currency": "usd"},
        ),
        ("charge.failed", ["--amount", "500", "--currency", "jpy"], {"amount": 500, "currency": "jpy"}),
        ("payout.failed", ["--amount", "1.234", "--currency", "kwd"], {"amount": 1234, "currency": "kwd"}),
        ("customer.subscription.deleted", ["--account", "acct_9"], {"account": "acct_9", "livemode": False}),
        ("v2.core.account[requirements].updated", ["--thin", "--account", "acct_9"], {"kind": "thin"}),
        ("something.new", ["--id", "evt_mine"], {"id": "evt_mine"}),
    ],
)
def test_trigger_posts_a_signed_event_of_any_type(
    event_type: str, arguments: list[str], expected: dict[str, Any], url: str
) -> None:
    out = run("trigger", event_type, "--url", url, *arguments)
    row = WebhookEvent.objects.get()
    assert out == f"200 {event_type} {row.event_id}: Stored.\n"
    parsed = events.parse(row.body, "default")
    assert parsed.type == event_type
    assert {name: getattr(parsed, name) for name in expected} == expected


@pytest.mark.django_db(transaction=True)
def test_trigger_posts_many_or_one_many_times(url: str) -> None:
    assert run("trigger", "charge.failed", "--url", url, "--count", "3").count("200 charge.failed evt_") == 3
    assert WebhookEvent.objects.count() == 3
    run("trigger", "charge.failed", "--url", url, "--count", "3", "--id", "evt_same")
    assert WebhookEvent.objects.get(event_id="evt_same").deliveries == 3


@pytest.mark.django_db(transaction=True)
def test_trigger_posts_an_event_from_a_file(url: str, tmp_path: Path) -> None:
    file = tmp_path / "event.json"
    file.write_text(json.dumps(samples.snapshot("charge.failed", event_id="evt_old", amount=77) | {"created": 1}))
    run("trigger", "charge.failed", "--url", url, "--file", str(file))
    row = WebhookEvent.objects.get()
    assert row.event_id != "evt_old"
    assert (events.parse(row.body, "").amount, row.created.year > 2000) == (77, True)
    with pytest.raises(CommandError, match="cannot be read as JSON"):
        run("trigger", "charge.failed", "--url", url, "--file", str(tmp_path / "none.json"))


@pytest.mark.django_db(transaction=True)
def test_trigger_with_a_bad_signature_expects_400(url: str) -> None:
    assert run("trigger", "invoice.paid", "--url", url, "--bad-signature").startswith("400 ")
    assert not WebhookEvent.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_trigger_fails_when_the_answer_is_another(url: str, webhooks_settings: Change) -> None:
    webhooks_settings(MODE="inline")
    on("*")(lambda event: 1 / 0)
    with pytest.raises(CommandError, match=r"2 of 2 were not answered with 2xx\."):
        run("trigger", "invoice.paid", "--url", url, "--count", "2")
    with pytest.raises(CommandError, match="no endpoint 'nobody' here; known are: default"):
        run("trigger", "invoice.paid", "--url", url.replace("default", "nobody"))
    with pytest.raises(CommandError, match="more decimals"):
        run("trigger", "invoice.paid", "--url", url, "--amount", "1.5", "--currency", "jpy")
    with pytest.raises(CommandError, match="is not an amount"):
        run("trigger", "invoice.paid", "--url", url, "--amount", "much")


@pytest.mark.django_db(transaction=True)
def test_trigger_names_allowed_hosts_when_the_host_is_refused(url: str, settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["shop.example"]
    with pytest.raises(CommandError):
        call_command("trigger", "invoice.paid", "--url", url, stdout=(out := StringIO()))
    assert "put 'localhost' into the server's ALLOWED_HOSTS" in out.getvalue()


def test_trigger_says_when_nobody_answers() -> None:
    out = StringIO()
    with pytest.raises(CommandError):
        call_command("trigger", "invoice.paid", "--url", "http://127.0.0.1:9/stripe/default/", stdout=out)
    assert "no answer invoice.paid evt_" in out.getvalue()
    assert "is the server running" in out.getvalue()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("event_type", "object_"),
    [
        ("invoice.payment_failed", "invoice"),
        ("customer.subscription.updated", "subscription"),
        ("customer.updated", "customer"),
        ("charge.dispute.created", "dispute"),
        ("charge.refund.updated", "refund"),
        ("checkout.session.completed", "checkout.session"),
        ("issuing_card.created", "issuing_card"),
    ],
)
def test_samples_are_about_the_right_kind_of_object(event_type: str, object_: str) -> None:
    event = samples.snapshot(event_type, livemode=True)
    assert event["data"]["object"]["object"] == object_
    assert deliver(event, client=Client()).status_code == 200
