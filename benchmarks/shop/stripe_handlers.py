"""One cheap handler, and three bugs. Each bug is a problem of its own, and so is each Connect account that meets it."""

from __future__ import annotations

from benchmarks.shop.models import Payment
from webhooks.events import StripeEvent
from webhooks.handlers import on


@on("invoice.paid")
def record_payment(event: StripeEvent) -> None:
    Payment.objects.create(
        event_id=event.id, invoice=event.object_id, amount=event.amount if event.amount is not None else 0
    )


@on("invoice.payment_failed")
def look_up_price(event: StripeEvent) -> None:
    prices: dict[str, int] = {}
    prices[event.object_id]


@on("customer.deleted")
def close_account(event: StripeEvent) -> None:
    raise ValueError(f"no account for {event.object_id}")


@on("charge.refunded")
def book_refund(event: StripeEvent) -> None:
    int("12,50 EUR")
