"""An alert of dj-stripe's ends when its events are processed, whoever processes them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
import stripe as stripe_api
from django.contrib.admin import site as admin_site
from django.core.management import CommandError, call_command
from django.utils import timezone
from djstripe.models import Event, WebhookEventTrigger
from pytest_django import Settings

from notifier.channels import memory
from notifier.delivery import tick
from notifier.delivery.courier import Courier
from notifier.flow import pipeline, replays
from notifier.flow.replays import Replayed
from notifier.intake import djstripe, djstripe_replay, source
from notifier.management.commands.replay import Replay
from notifier.models import Alert, Occurrence, ReplayOrder
from tests.djstripe.inside.conftest import Raise, Stripe
from tests.djstripe.site import models as site


def failed(stripe: Stripe, handlers_raise: Raise, **values: Any) -> dict[str, Any]:
    """An event whose handler raised; by now it is mended."""
    event = stripe.event(**values)
    handlers_raise(KeyError("plan"))
    assert stripe.post(event) == 500
    site.handle.clear()
    return event


def test_stripes_next_delivery_ends_it_and_people_hear_both(stripe: Stripe, handlers_raise: Raise) -> None:
    event = failed(stripe, handlers_raise)
    courier = Courier("chat")
    courier.step()
    assert stripe.post(event) == 200
    courier.step()

    assert Alert.objects.get().resolved_how == "by retry"
    begun, over = (sent.message.text for sent in memory.outbox)
    assert "invoice.will_be_due cannot be processed" in begun
    assert "EUR 1,250.00" in begun
    assert "Resolved" in over


def test_the_site_passes_every_check(database: None) -> None:
    call_command("check", fail_level="ERROR")  # raises when there is one


def test_each_delivery_looks_whether_a_worker_runs(stripe: Stripe, looks: list[bool]) -> None:
    stripe.post(stripe.event())
    assert looks
    looks.clear()
    stripe.post(stripe.event(), secret="whsec_other")
    assert not looks  # a stranger causes nothing


def test_one_that_fails_after_its_handlers_is_not_over(stripe: Stripe, handlers_raise: Raise) -> None:
    event = failed(stripe, handlers_raise)

    def fail(**kwargs: Any) -> None:
        raise ValueError("after the handlers")

    site.on_processed.append(fail)
    assert stripe.post(event) == 500
    assert not Event.objects.exists()  # rolled back with it
    djstripe.reconcile(0, timezone.now())
    assert Alert.objects.filter(resolved_at=None).count() == 2


def test_trouble_of_ours_changes_no_answer(
    stripe: Stripe, handlers_raise: Raise, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = failed(stripe, handlers_raise)

    def away(*args: object, **kwargs: object) -> None:
        raise RuntimeError("trouble of ours")

    with monkeypatch.context() as broken:
        broken.setattr(djstripe, "_unrecovered", away)
        broken.setattr(pipeline, "recovered", away)
        assert stripe.post(event) == 200
    assert Event.objects.get().id == event["id"]
    assert WebhookEventTrigger.objects.latest("pk").processed

    djstripe.reconcile(0, timezone.now())  # it had been missed
    assert Alert.objects.get().resolved_how == "by retry"


@pytest.fixture
def api(settings: Settings) -> Iterator[dict[str, Any]]:
    """Stripe's API: gives the events that are put here."""
    events: dict[str, Any] = {}

    class Api(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(events[self.path.rpartition("/")[2]]).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Api) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        before, stripe_api.api_base = stripe_api.api_base, f"http://127.0.0.1:{server.server_port}"
        yield events
        stripe_api.api_base = before
        server.shutdown()


def test_djstripe_process_events_ends_it_although_it_sends_no_signal(
    stripe: Stripe, handlers_raise: Raise, api: dict[str, Any]
) -> None:
    event = failed(stripe, handlers_raise)
    api[event["id"]] = event
    call_command("djstripe_process_events", ids=[event["id"]], verbosity=0)
    assert Event.objects.filter(id=event["id"]).exists()
    assert Alert.objects.filter(resolved_at=None).exists()

    tick.Tick().step()
    assert Alert.objects.get().resolved_how == "by replay"


def test_its_admins_reprocess_ends_it(stripe: Stripe, handlers_raise: Raise) -> None:
    failed(stripe, handlers_raise)
    admin_site._registry[WebhookEventTrigger].reprocess(None, WebhookEventTrigger.objects.all())  # type: ignore[attr-defined]  # untyped
    djstripe.reconcile(0, timezone.now())
    assert Alert.objects.get().resolved_how == "by replay"


def test_an_event_that_was_processed_before_it_failed_is_not_taken_for_recovered(
    stripe: Stripe, handlers_raise: Raise
) -> None:
    event = stripe.event()
    assert stripe.post(event) == 200

    def fail(**kwargs: Any) -> None:
        raise ValueError("a receiver that is new")

    site.on_processed.append(fail)
    assert stripe.post(event) == 500
    djstripe.reconcile(0, timezone.now())
    assert Alert.objects.get().resolved_at is None


def test_replay_runs_dj_stripes_own_way_in_a_worker_and_ends_it(stripe: Stripe, handlers_raise: Raise) -> None:
    event = failed(stripe, handlers_raise)
    for _ in range(2):
        assert replays.replay([event["id"], "evt_of_nobody"], timezone.now()) == Replayed(again=1)
    assert not Event.objects.exists()

    while djstripe_replay.step() == 0.0:
        pass
    assert WebhookEventTrigger.objects.get().processed
    assert Alert.objects.get().resolved_how == "by replay"
    assert replays.replay([event["id"]], timezone.now()) == Replayed(left=1)


def test_a_replay_that_fails_is_counted_and_rolled_back(stripe: Stripe, handlers_raise: Raise) -> None:
    event = failed(stripe, handlers_raise)
    handlers_raise(KeyError("tax"))
    replays.replay([event["id"]], timezone.now())
    assert djstripe_replay.step() == 0.0
    assert djstripe_replay.step() > 0

    assert Alert.objects.get().count == 2
    assert list(Occurrence.objects.order_by("seq").values_list("attempt", flat=True)) == [1, 2]
    assert not Event.objects.exists()


def test_an_event_that_ends_its_worker_is_replayed_three_times_at_most(stripe: Stripe, handlers_raise: Raise) -> None:
    event = failed(stripe, handlers_raise)
    handlers_raise(SystemExit(1))
    replays.replay([event["id"]], timezone.now())
    for _ in range(3):
        with pytest.raises(SystemExit):
            djstripe_replay.step()
    assert djstripe_replay.step() == 0.0
    assert not ReplayOrder.objects.exists()
    assert Alert.objects.get().resolved_at is None


def test_the_digest_counts_what_dj_stripe_did(stripe: Stripe, handlers_raise: Raise) -> None:
    for _ in range(3):
        stripe.post(stripe.event())
    stripe.post(failed(stripe, handlers_raise))  # recovered
    failed(stripe, handlers_raise)  # open
    failed(stripe, handlers_raise, created=int(timezone.now().timestamp()) - 4 * 86_400)  # given up
    stripe.post(stripe.event(), secret="whsec_other")

    now = timezone.now()
    counts = source.event_counts(now - timedelta(hours=1), now)
    assert counts is not None
    assert (counts.received, counts.first_time, counts.recovered, counts.dead, counts.open) == (6, 3, 1, 1, 1)
    empty = source.event_counts(now - timedelta(hours=2), now - timedelta(hours=1))
    assert empty is not None
    assert empty.received == 0


calls: list[object] = []


def callback(trigger: Any, api_key: str) -> None:
    if not calls:
        raise ConnectionRefusedError("the broker is away")


def test_a_callback_that_cannot_enqueue_is_alerted_and_ends(stripe: Stripe, settings: Settings) -> None:
    settings.DJSTRIPE_WEBHOOK_EVENT_CALLBACK = "tests.djstripe.inside.recovery.callback"
    calls.clear()
    event = stripe.event()
    assert stripe.post(event) == 500
    assert Alert.objects.get().exceptions[0] == "ConnectionRefusedError"
    calls.append(event)
    assert stripe.post(event) == 200
    assert Alert.objects.get().resolved_how == "by retry"


def test_the_command_that_messages_name_replays(
    stripe: Stripe, handlers_raise: Raise, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = failed(stripe, handlers_raise), failed(stripe, handlers_raise, kind="invoice.overdue")
    call_command(Replay(), type="invoice.will*")
    assert capsys.readouterr().out == "1 processed again by a worker\n"
    djstripe_replay.step()
    assert Event.objects.get().id == first["id"]
    call_command(Replay(), first["id"], second["id"])
    assert capsys.readouterr().out == "1 processed again by a worker, 1 processed already\n"
    djstripe_replay.step()
    call_command(Replay(), state="dead")
    assert capsys.readouterr().out == "Nothing matches.\n"
    with pytest.raises(CommandError, match="1 not found: only events that have failed can be replayed"):
        call_command(Replay(), "evt_of_nobody")
