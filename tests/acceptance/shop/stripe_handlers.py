"""Handlers that behave as the event's metadata asks: {"behaviour": "bug"}, unless the shop has been mended."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from pathlib import Path

import stripe
from django.db import OperationalError
from django.dispatch import receiver

from tests.acceptance.shop.models import Effect
from webhooks.events import StripeEvent
from webhooks.handlers import on
from webhooks.signals import webhook_processing_error

OUT_OF_REACH = "http://127.0.0.1:9"  # the discard port: nobody listens there


def _behaviour(event: StripeEvent) -> str:
    if Path(os.environ["SHOP_MENDED"]).exists():
        return "fine"
    metadata = event.object.get("metadata")
    return str(metadata.get("behaviour", "fine")) if isinstance(metadata, dict) else "fine"


@receiver(webhook_processing_error)
def die_before_the_notifier_hears(**kwargs: object) -> None:
    """This app's receivers are connected before the notifier's are called: the failure is committed, nobody knows."""
    if os.environ.get("SHOP_KILL_AT_SIGNAL"):
        os.kill(os.getpid(), signal.SIGKILL)


@on("*")
def record(event: StripeEvent) -> None:
    """What every site does with an event: write a row, unless something is wrong."""
    Effect.objects.create(event_id=event.id, handler="record")
    behaviour = _behaviour(event)
    if behaviour == "bug":
        prices: dict[str, int] = {}
        prices["unknown <!channel> price"]
    elif behaviour == "stripe-down":
        client = stripe.StripeClient(
            "sk_test_shop",
            base_addresses={"api": OUT_OF_REACH},
            max_network_retries=0,
        )
        client.v1.customers.retrieve("cus_1")
    elif behaviour == "database":
        try:
            sqlite3.connect("/nonexistent/ledger.sqlite3")
        except sqlite3.OperationalError as error:
            raise OperationalError("server closed the connection unexpectedly") from error
    elif behaviour == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif behaviour.startswith("sleep-locked:"):
        _sleep(behaviour)


@on("*", atomic=False)
def call_out(event: StripeEvent) -> None:
    """A handler that calls somebody else: outside the transaction, and as slow as they are."""
    behaviour = _behaviour(event)
    if behaviour.startswith("sleep:"):
        _sleep(behaviour)


def _sleep(behaviour: str) -> None:
    Path(os.environ["SHOP_MENDED"]).with_name("asleep").touch()
    time.sleep(float(behaviour.partition(":")[2]))
