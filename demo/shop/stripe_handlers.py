"""A shop's handlers. Nothing in here knows of the demo: what fails, fails for the reason that it names."""

from __future__ import annotations

import json

import stripe
import structlog
from django.db import connections

from demo.shop.premises import LEDGER, plans_file, stripe_api
from webhooks.events import StripeEvent
from webhooks.handlers import on

log = structlog.get_logger(__name__)


@on("checkout.session.completed")
def fulfil_order(event: StripeEvent) -> None:
    log.info("order fulfilled", session=event.object_id)


@on("customer.created")
def greet_customer(event: StripeEvent) -> None:
    log.info("customer greeted", customer=event.customer)


@on("customer.subscription.updated")
def change_plan(event: StripeEvent) -> None:
    """The bug: it believes that the shop knows every plan."""
    plans = json.loads(plans_file().read_text())
    plan = plans[event.object["plan"]]
    log.info("plan changed", customer=event.customer, plan=plan)


@on("charge.refunded", atomic=False)
def confirm_refund(event: StripeEvent) -> None:
    """Calls Stripe, so it runs outside the transaction."""
    client = stripe.StripeClient(
        "sk_test_demo",
        base_addresses={"api": stripe_api()},
        http_client=stripe.RequestsClient(timeout=5),
        max_network_retries=0,  # the event's row schedules the next attempt
    )
    customer = client.v1.customers.retrieve(event.customer)
    log.info("refund confirmed", customer=customer.id)


@on("invoice.paid", atomic=False)
def record_payment(event: StripeEvent) -> None:
    """Writes to another database, so it runs outside the transaction; the key keeps a repeat from counting twice."""
    with connections[LEDGER].cursor() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS payment (event text PRIMARY KEY, amount integer, currency text)")
        cursor.execute(
            "INSERT INTO payment VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
            [event.id, event.amount, event.currency],
        )
