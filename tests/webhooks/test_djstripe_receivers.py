"""Receivers as dj-stripe's documentation and articles write them, connected to our signals unchanged."""

from __future__ import annotations

from typing import Any

import pytest

from tests.webhooks.conftest import Connect
from tests.webhooks.stripe_side import deliver
from webhooks import samples, signals
from webhooks.events import StripeEvent
from webhooks.handlers import on
from webhooks.process import processing

pytestmark = pytest.mark.django_db(transaction=True)
calls: list[tuple[object, ...]] = []


def pre_validate(sender: object, instance: Any, api_key: str | None, **kwargs: Any) -> None:
    calls.append(("pre_validate", api_key))


def post_validate(sender: object, instance: Any, api_key: str | None, valid: bool, **kwargs: Any) -> None:
    calls.append(("post_validate", api_key, valid))


def pre_process(sender: object, instance: Any, api_key: str | None, **kwargs: Any) -> None:
    calls.append(("pre_process", api_key))


def post_process(sender: object, instance: Any, api_key: str | None, **kwargs: Any) -> None:
    calls.append(("post_process", api_key))


def handle(sender: object, instance: Any, api_key: str | None, exception: Exception, data: Any, **kwargs: Any) -> None:
    calls.append(("processing_error", api_key, str(exception), data["type"]))


def test_receivers_of_dj_stripe_work_on_all_five_and_never_see_a_key(connect: Connect) -> None:
    calls.clear()
    failures = [KeyError("plan")]

    @on("invoice.paid")
    def fail_once(event: StripeEvent) -> None:
        if failures:
            raise failures.pop()

    connect(signals.webhook_pre_validate, pre_validate)
    connect(signals.webhook_post_validate, post_validate)
    connect(signals.webhook_pre_process, pre_process)
    connect(signals.webhook_post_process, post_process)
    connect(signals.webhook_processing_error, handle)

    assert deliver(samples.snapshot("invoice.paid")).status_code == 200
    assert deliver(samples.snapshot("invoice.paid")).status_code == 200
    while processing.process_due():
        pass

    in_the_request = [("pre_validate", None), ("post_validate", None, True)]
    in_the_worker = [("pre_process", None), ("processing_error", None, "'plan'", "invoice.paid")]
    assert calls == [*in_the_request, *in_the_request, *in_the_worker, ("pre_process", None), ("post_process", None)]
