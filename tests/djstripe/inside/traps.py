"""Seven ways in which dj-stripe's signals differ from what one expects of them; nobody is misled by one."""

from __future__ import annotations

import logging
import sys
import time
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.db import OperationalError
from django.utils import timezone
from djstripe.models import WebhookEndpoint, WebhookEventTrigger

from notifier.delivery import own_alerts
from notifier.facts import Severity
from notifier.flow import pipeline
from notifier.intake import djstripe, djstripe_rows
from notifier.models import Alert, Occurrence
from tests.djstripe.inside.conftest import Raise, Stripe
from tests.djstripe.inside.reading import everything_written
from tests.djstripe.site import models as site
from tests.djstripe.site import settings

# --- 1. A receiver that raises loses its row ------------------------------------------------------------------------


def fail(*args: object, **kwargs: Any) -> None:
    raise RuntimeError("a receiver of the site's")


def test_dj_stripe_loses_the_row_when_a_receiver_raises_and_people_are_told_all_the_same(
    stripe: Stripe, handlers_raise: Raise
) -> None:
    handlers_raise(KeyError("plan"))
    site.on_error.append(fail)  # connected before the notifier's

    assert stripe.post(stripe.event()) == 500

    row = WebhookEventTrigger.objects.get()
    assert (row.exception, row.traceback, row.valid) == ("", "", False)  # the trap itself
    assert Alert.objects.get().exceptions[0] == "KeyError"


def test_our_receiver_never_raises_and_leaves_the_answer_and_the_row_alone(
    stripe: Stripe, handlers_raise: Raise, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_table(*args: object) -> None:
        raise OperationalError("no such table: notifier_alert")

    monkeypatch.setattr(pipeline, "failed", no_table)
    handlers_raise(KeyError("plan"))

    assert stripe.post(stripe.event()) == 500
    row = WebhookEventTrigger.objects.get()
    assert (row.exception, row.valid) == ("'plan'", True)
    assert "KeyError" in row.traceback


def test_what_our_receiver_could_not_write_is_told_by_the_next_round(
    stripe: Stripe, handlers_raise: Raise, monkeypatch: pytest.MonkeyPatch
) -> None:
    handlers_raise(LookupError("plan\nDETAIL: of several lines\n  indented"))
    with monkeypatch.context() as away:
        away.setattr(pipeline, "failed", fail)
        assert stripe.post(stripe.event()) == 500
    assert not Alert.objects.exists()

    djstripe.reconcile(0, timezone.now())
    assert not Alert.objects.exists()  # its request may still be at work
    djstripe.reconcile(0, timezone.now() + timedelta(minutes=3))
    djstripe.reconcile(0, timezone.now() + timedelta(minutes=6))

    occurrence = Occurrence.objects.get()
    assert (occurrence.event_type, occurrence.amount) == ("invoice.will_be_due", 125_000)
    assert occurrence.alert.exceptions == ["LookupError"]
    assert occurrence.alert.message.startswith("plan\nDETAIL: ")


# --- 2. The row is empty when the signal comes ----------------------------------------------------------------------


def test_the_row_is_empty_when_the_signal_comes_and_the_alert_is_not(stripe: Stripe, handlers_raise: Raise) -> None:
    found: list[tuple[object, ...]] = []

    def look(instance: WebhookEventTrigger, **kwargs: Any) -> None:
        saved = WebhookEventTrigger.objects.get(pk=instance.pk)
        found.append((saved.exception, saved.traceback, saved.valid, instance.event))

    site.on_error.append(look)
    handlers_raise(KeyError("plan"))
    event = stripe.event()
    stripe.post(event)

    assert found == [("", "", False, None)]  # the trap itself
    occurrence = Occurrence.objects.get()
    assert (occurrence.event_id, occurrence.customer, occurrence.amount, occurrence.currency) == (
        *(event["id"], "cus_1"),
        *(125_000, "eur"),
    )
    assert occurrence.alert.livemode


# --- 3. Invalid signatures send no error signal ---------------------------------------------------------------------


def test_refused_deliveries_send_no_signal_and_are_found_in_the_rows(stripe: Stripe) -> None:
    site.on_error.append(fail)
    for _ in range(6):
        assert stripe.post(stripe.event(), secret="whsec_of_another_endpoint") == 400
    assert not Alert.objects.exists()

    own_alerts.watch_inbound(timezone.now() + timedelta(minutes=3))

    alert = Alert.objects.get()
    assert alert.source == "watch.refused.we_bridge.no_match"
    assert alert.severity == Severity.WARNING  # a stranger can cause that; nobody is paged
    assert "signatures do not match (6 of 6 requests" in alert.title


def test_an_endpoint_whose_secret_was_rolled_is_critical(stripe: Stripe) -> None:
    for _ in range(30):
        assert stripe.post(stripe.event()) == 200
    WebhookEventTrigger.objects.update(created=timezone.now() - timedelta(hours=2))
    WebhookEndpoint.objects.update(secret="whsec_rolled")
    for _ in range(6):
        assert stripe.post(stripe.event()) == 400

    own_alerts.watch_inbound(timezone.now() + timedelta(minutes=3))
    assert Alert.objects.get().severity == Severity.CRITICAL


def test_each_reason_for_a_refusal_is_found_although_dj_stripe_keeps_none(stripe: Stripe) -> None:
    def reason() -> str:
        return djstripe_rows.reason_of(WebhookEventTrigger.objects.latest("pk"))

    stripe.post(stripe.event(), at=int(time.time()) - 4000)
    assert reason() == "too_old"
    stripe.post(stripe.event(), secret="whsec_other")
    assert reason() == "no_match"
    stripe.post({"hello": "world"})
    assert reason() == "malformed_event"
    stripe.post(stripe.event(), headers={"Stripe-Signature": "nonsense"})
    assert reason() == "malformed"
    WebhookEndpoint.objects.update(secret="")
    assert stripe.post(stripe.event()) == 500  # this one does send the signal, for a stranger's request too
    assert reason() == "no_secret"
    assert not Alert.objects.exists()


def test_deliveries_that_leave_no_trace_are_a_finding(stripe: Stripe, handlers_raise: Raise) -> None:
    handlers_raise(KeyError("plan"))
    site.on_error.append(fail)
    for _ in range(6):
        stripe.post(stripe.event())

    own_alerts.watch_inbound(timezone.now() + timedelta(minutes=3))
    found = Alert.objects.exclude(source="webhook").get()
    assert found.source == "watch.refused.we_bridge.unrecorded"


# --- 4. Each retry is a new row of the same event -------------------------------------------------------------------


def test_retries_are_rows_of_their_own_and_one_alert_that_counts_attempts(
    stripe: Stripe, handlers_raise: Raise
) -> None:
    handlers_raise(KeyError("plan"))
    event = stripe.event()
    for _ in range(3):
        assert stripe.post(event) == 500
    stripe.post(stripe.event())

    assert WebhookEventTrigger.objects.count() == 4
    alert = Alert.objects.get()
    assert alert.count == 4
    seen = list(Occurrence.objects.filter(event_id=event["id"]).order_by("seq").values_list("attempt", flat=True))
    assert seen == [1, 2, 3]
    assert Occurrence.objects.get(seq=4).attempt == 1


@pytest.mark.parametrize(
    ("livemode", "days", "failures", "dead"),
    [(True, 0, 1, False), (True, 4, 1, True), (False, 0, 3, False), (False, 0, 4, True)],
)
def test_the_last_attempt_is_stripes(
    stripe: Stripe, handlers_raise: Raise, livemode: bool, days: int, failures: int, dead: bool
) -> None:
    handlers_raise(KeyError("plan"))
    event = stripe.event(livemode=livemode, created=int(time.time()) - days * 86_400)
    for _ in range(failures):
        stripe.post(event)
    assert Occurrence.objects.get(seq=failures).dead is dead


# --- 5. The API key and the headers come with the signal ------------------------------------------------------------


def test_neither_the_api_key_nor_a_header_goes_anywhere(
    stripe: Stripe, handlers_raise: Raise, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    got: list[str] = []
    site.on_error.append(lambda api_key, **kwargs: got.append(api_key))
    handlers_raise(KeyError(f"No such plan: {settings.STRIPE_LIVE_SECRET_KEY}"))
    caplog.set_level(logging.DEBUG)
    canaries = {"Authorization": "Basic Q2FuYXJ5MUtleQ", "X-Forwarded-For": "203.0.113.77", "Cookie": "s=Canary2Cookie"}
    stripe.post(stripe.event(), headers=canaries)

    assert got == [settings.STRIPE_LIVE_SECRET_KEY]  # the trap itself
    signature = WebhookEventTrigger.objects.get().headers["Stripe-Signature"].rpartition("v1=")[2]
    out = capsys.readouterr()
    ours = "".join(record.getMessage() for record in caplog.records if not record.name.startswith("django"))
    written = everything_written() + out.out + out.err + ours
    assert "KeyError" in written  # it was looked in the right place
    for secret in ("Canary0Key", "Canary2Cookie", "Q2FuYXJ5MUtleQ", "203.0.113.77", signature):
        assert secret not in written


# --- 6. There is no `event` argument --------------------------------------------------------------------------------


def test_the_receiver_that_people_copy_gets_its_event_through_one_decorator(
    stripe: Stripe, handlers_raise: Raise
) -> None:
    from notifier.intake.with_event import with_event  # here, since a site imports it where its receivers are

    got: list[tuple[object, ...]] = []

    def handle(sender: object, event: Any, data: Any, exception: Exception, **kwargs: Any) -> None:
        got.append((event.type, event.id, data["object"], str(exception), kwargs["api_key"]))
        raise RuntimeError("a bug in the receiver")

    def undecorated(sender: object, event: Any, data: Any, exception: Exception, **kwargs: Any) -> None:
        raise AssertionError("never called")

    handlers_raise(KeyError("plan"))
    site.on_error.append(undecorated)
    stripe.post(stripe.event())
    assert WebhookEventTrigger.objects.latest("pk").traceback == ""  # TypeError: the trap itself

    site.on_error[:] = [with_event(handle)]
    event = stripe.event()
    assert stripe.post(event) == 500
    assert got == [("invoice.will_be_due", event["id"], "event", "'plan'", None)]
    assert "KeyError" in WebhookEventTrigger.objects.latest("pk").traceback  # its own bug loses nothing


# --- 7. The exception's class is not stored -------------------------------------------------------------------------


class NoSuchPlanError(Exception):
    pass


def test_the_alert_knows_the_class_and_the_line_that_the_row_does_not(stripe: Stripe, handlers_raise: Raise) -> None:
    handlers_raise(NoSuchPlanError(""))
    stripe.post(stripe.event())

    row = WebhookEventTrigger.objects.get()
    assert row.exception == ""  # the trap itself: nothing but str() of it
    alert = Alert.objects.get()
    assert alert.exceptions[0] == f"{__name__}.NoSuchPlanError"
    assert alert.frame["function"].endswith("fail")


def test_a_body_that_stripe_signed_is_told_of_whatever_it_is(stripe: Stripe) -> None:
    for body in ({"id": "evt_1", "livemode": True}, {"id": ["x"], "livemode": True, "object": 5}):
        assert stripe.post(body) == 500
    assert list(Occurrence.objects.values_list("event_id", flat=True)) == ["", ""]


@pytest.mark.skipif(apps.is_installed("webhooks"), reason="it is installed beside")
def test_nothing_of_webhooks_is_imported_on_a_site_of_dj_stripe() -> None:
    assert [name for name in sys.modules if name.partition(".")[0] == "webhooks"] == []
