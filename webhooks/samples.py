"""Makes small events of any type, with made-up values, for `manage.py trigger` and for tests.

The object's kind follows from the type: `customer.subscription.deleted` is about a subscription.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

API_VERSION = "2026-10-28.endive"
AMOUNT, CURRENCY = 125_000, "eur"

# By the beginning of the type, the longest that fits: the object's name, its id's prefix, the field that takes the
# amount, and other fields.
_OBJECTS: Mapping[str, tuple[str, str, str, dict[str, Any]]] = {
    "account": ("account", "acct", "", {"charges_enabled": True}),
    "charge": ("charge", "ch", "amount", {"status": "succeeded", "paid": True}),
    "charge.dispute": ("dispute", "du", "amount", {"reason": "fraudulent", "status": "needs_response"}),
    "charge.failed": ("charge", "ch", "amount", {"status": "failed", "paid": False, "failure_code": "card_declined"}),
    "charge.refund": ("refund", "re", "amount", {"status": "succeeded"}),
    "charge.refunded": ("charge", "ch", "amount", {"status": "succeeded", "refunded": True}),
    "checkout.session": ("checkout.session", "cs", "amount_total", {"mode": "payment", "payment_status": "paid"}),
    "customer": ("customer", "cus", "", {"email": None, "name": None}),
    "customer.subscription": ("subscription", "sub", "", {"status": "active", "cancel_at_period_end": False}),
    "invoice": ("invoice", "in", "amount_due", {"status": "open", "amount_paid": 0, "attempt_count": 1}),
    "invoice.paid": ("invoice", "in", "amount_paid", {"status": "paid", "amount_remaining": 0}),
    "invoice.payment_succeeded": ("invoice", "in", "amount_paid", {"status": "paid", "amount_remaining": 0}),
    "payment_intent": ("payment_intent", "pi", "amount", {"status": "succeeded"}),
    "payment_intent.payment_failed": ("payment_intent", "pi", "amount", {"status": "requires_payment_method"}),
    "payment_method": ("payment_method", "pm", "", {"type": "card"}),
    "payout": ("payout", "po", "amount", {"status": "paid"}),
    "payout.failed": ("payout", "po", "amount", {"status": "failed", "failure_code": "account_closed"}),
    "price": ("price", "price", "unit_amount", {"active": True}),
    "product": ("product", "prod", "", {"active": True}),
    "refund": ("refund", "re", "amount", {"status": "succeeded"}),
    "setup_intent": ("setup_intent", "seti", "", {"status": "succeeded"}),
    "transfer": ("transfer", "tr", "amount", {}),
}


def snapshot(
    event_type: str,
    *,
    now: datetime | None = None,
    event_id: str = "",
    livemode: bool = False,
    account: str = "",
    amount: int = AMOUNT,
    currency: str = CURRENCY,
    **changes: Any,
) -> dict[str, Any]:
    """A v1 event as a dict. `amount` is in the currency's smallest unit; `changes` are fields of its object.

    `now` is aware, the time of the event; left out, the present.
    """
    now = now or datetime.now(UTC)
    event = {
        "id": event_id or new_id("evt"),
        "object": "event",
        "api_version": API_VERSION,
        "created": int(now.timestamp()),
        "data": {"object": _object(event_type, now, livemode, amount, currency) | changes},
        "livemode": livemode,
        "pending_webhooks": 1,
        "request": {"id": new_id("req"), "idempotency_key": None},
        "type": event_type,
    }
    return event | ({"account": account} if account else {})


def thin(
    event_type: str,
    *,
    now: datetime | None = None,
    event_id: str = "",
    livemode: bool = False,
    account: str = "",
) -> dict[str, Any]:
    """A v2 event as a dict: it has a reference instead of the object. `now` as in `snapshot`."""
    now = now or datetime.now(UTC)
    kind = event_type.partition("[")[0] if "[" in event_type else event_type.rpartition(".")[0]
    object_id = new_id(kind.rpartition(".")[2][:4])
    return {
        "id": event_id or new_id("evt"),
        "object": "v2.core.event",
        "context": account or None,
        "created": now.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "livemode": livemode,
        "reason": None,
        "related_object": {"id": object_id, "type": kind, "url": f"/v2/{kind.replace('.', '/')}/{object_id}"},
        "type": event_type,
    }


def new_id(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(12)}"


def _object(event_type: str, now: datetime, livemode: bool, amount: int, currency: str) -> dict[str, Any]:
    name, prefix, amount_field, more = _shape(event_type)
    built = {"id": new_id(prefix), "object": name, "created": int(now.timestamp()), "livemode": livemode, **more}
    if amount_field:
        built |= {amount_field: amount, "currency": currency}
    if name not in ("account", "customer", "payout", "price", "product", "transfer"):
        built["customer"] = new_id("cus")
    return built


def _shape(event_type: str) -> tuple[str, str, str, dict[str, Any]]:
    parts = event_type.split(".")
    prefixes = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    known = next((_OBJECTS[prefix] for prefix in prefixes if prefix in _OBJECTS), None)
    return known or (".".join(parts[:-1]) or event_type, "obj", "", {})
