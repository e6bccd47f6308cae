"""Signed events of 1.6 kB, each one distinct."""

from __future__ import annotations

import hmac
import json
import time
from typing import Any

SIZE = 1600  # bytes
CUSTOMERS = 50


def invoice(number: str, customer: str) -> dict[str, Any]:
    """An invoice as the API describes it, as short as can be."""
    return {
        "id": f"in_{number}",
        "object": "invoice",
        "status": "paid",
        "amount_due": 125000,
        "amount_paid": 125000,
        "amount_remaining": 0,
        "attempt_count": 1,
        "auto_advance": False,
        "billing_reason": "manual",
        "collection_method": "charge_automatically",
        "created": 1_790_000_000,
        "currency": "eur",
        "customer": customer,
        "livemode": False,
        "metadata": {"order": number},
        "number": f"SHOP-{number}",
        "period_end": 1_790_000_000,
        "period_start": 1_787_000_000,
        "subtotal": 125000,
        "total": 125000,
    }


def customer(pk: str) -> dict[str, Any]:
    """A customer as the API describes it."""
    return {
        "id": pk,
        "object": "customer",
        "balance": 0,
        "created": 1_780_000_000,
        "currency": "eur",
        "default_source": None,
        "email": f"{pk}@shop.example",
        "invoice_settings": {"default_payment_method": None},
        "livemode": False,
        "metadata": {},
        "name": "A customer",
    }


def customer_id(number: int) -> str:
    return f"cus_{number % CUSTOMERS:06}"


class Template:
    """Bodies that differ in their ids alone: made once, filled in fast enough for any server."""

    _NUMBER, _CUSTOMER = "0123456789ab", "cus_000000"

    def __init__(self, kind: str, secret: str, run: int) -> None:
        about = (
            customer(self._CUSTOMER) | {"metadata": {"order": self._NUMBER}}
            if kind.startswith("customer.")
            else invoice(self._NUMBER, self._CUSTOMER)
        )
        event = {
            "id": f"evt_{self._NUMBER}",
            "object": "event",
            "api_version": "2026-05-27.dahlia",
            "created": int(time.time()),
            "data": {"object": about},
            "livemode": False,
            "pending_webhooks": 1,
            "request": {"id": None, "idempotency_key": None},
            "type": kind,
        }
        about["description"] = ""
        about["description"] = "x" * (SIZE - len(json.dumps(event, indent=2)))
        self._text = json.dumps(event, indent=2)
        self._secret, self._run = secret.encode(), run

    def body(self, number: int) -> bytes:
        text = self._text.replace(self._NUMBER, f"{self._run:04x}{number:08x}")
        return text.replace(self._CUSTOMER, customer_id(number)).encode()

    def sign(self, body: bytes) -> str:
        """https://docs.stripe.com/webhooks#verify-manually"""
        now = int(time.time())
        return f"t={now},v1={hmac.new(self._secret, b'%d.%b' % (now, body), 'sha256').hexdigest()}"
