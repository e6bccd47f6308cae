"""StripeEvent, a frozen value: the only code that reads Stripe's JSON. Pure.

v1 snapshot events: https://docs.stripe.com/api/events/object
v2 thin events: https://docs.stripe.com/api/v2/core/events/object
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeGuard

from alerts_runtime.stripe_data.refused import MalformedEvent

SNAPSHOT, THIN = "snapshot", "thin"
_KINDS = {"event": SNAPSHOT, "v2.core.event": THIN}
# Nothing outside this reaches a column: no NUL (PostgreSQL refuses it), no lone surrogate (no encoding takes it).
_NAME = re.compile(r"[A-Za-z0-9_.\-\[\]]{1,255}")
_CONTEXT = re.compile(r"[A-Za-z0-9_.\-/]{1,255}")
_LAST_CREATED = 4_102_444_800  # the year 2100: a number beyond it is in other units, or nonsense

_TOO_MUCH = 10**15  # Stripe's own limit has 12 digits

# What is at stake, by object: the first field that holds a number. Never a field that is not listed.
_AMOUNTS: Mapping[str, tuple[str, ...]] = {
    "application_fee": ("amount",),
    "charge": ("amount",),
    "checkout.session": ("amount_total",),
    "credit_note": ("amount",),
    "dispute": ("amount",),
    "fee_refund": ("amount",),
    "invoice": ("amount_due",),  # amount_paid once it is paid
    "invoice_payment": ("amount_paid", "amount_requested"),
    "invoiceitem": ("amount",),
    "issuing.authorization": ("amount",),
    "issuing.dispute": ("amount",),
    "issuing.transaction": ("amount",),
    "payment_intent": ("amount",),
    "payout": ("amount",),
    "quote": ("amount_total",),
    "refund": ("amount",),
    "source": ("amount",),
    "topup": ("amount",),
    "transfer": ("amount",),
    "treasury.inbound_transfer": ("amount",),
    "treasury.outbound_payment": ("amount",),
    "treasury.outbound_transfer": ("amount",),
    "treasury.received_credit": ("amount",),
    "treasury.received_debit": ("amount",),
}


@dataclass(frozen=True, slots=True)
class StripeEvent:
    """One event as handlers see it. `payload` is the whole event as Stripe sent it; times are in UTC."""

    id: str
    type: str
    kind: str  # snapshot or thin
    created: datetime
    livemode: bool
    account: str  # the Connect account it is about; empty: the platform's own
    api_version: str
    endpoint: str
    payload: dict[str, Any] = field(repr=False, compare=False)

    @property
    def data(self) -> dict[str, Any]:
        """The event's `data`, with `object` and `previous_attributes`; thin events have none."""
        return _dict(self.payload.get("data")) if self.kind == SNAPSHOT else {}

    @property
    def object(self) -> dict[str, Any]:
        """What the event is about: the object itself, or a thin event's reference to it."""
        return _dict(self.payload.get("related_object") if self.kind == THIN else self.data.get("object"))

    @property
    def object_id(self) -> str:
        return _name(self.object.get("id"))

    @property
    def customer(self) -> str:
        """The customer's id, or empty."""
        if self.object.get("object") == "customer":
            return self.object_id
        customer = self.object.get("customer")
        return _name(customer.get("id") if isinstance(customer, dict) else customer)

    @property
    def amount(self) -> int | None:
        """What is at stake, in the currency's smallest unit, for the objects that have such an amount."""
        amount = next((value for value in self._amounts() if _is_int(value) and abs(value) < _TOO_MUCH), None)
        return amount if self.currency else None

    @property
    def amount_unknown(self) -> bool:
        """Whether money is at stake, but its amount or currency cannot be read."""
        return self.amount is None and bool(self._amounts())

    def _amounts(self) -> list[Any]:
        """The values of the fields that have the amount, of whatever type."""
        kind = self.object.get("object")
        fields = _AMOUNTS.get(kind, ()) if isinstance(kind, str) else ()
        if kind == "invoice" and self.object.get("status") == "paid":
            fields = ("amount_paid",)
        return [value for name in fields if (value := self.object.get(name)) is not None]

    @property
    def currency(self) -> str:
        """ISO 4217 in lower case, or empty."""
        currency = self.object.get("currency")
        is_code = isinstance(currency, str) and re.fullmatch(r"[A-Za-z]{3}", currency)
        return currency.lower() if isinstance(currency, str) and is_code else ""

    @property
    def request_id(self) -> str:
        """The API request that caused the event, or empty."""
        request = self.payload.get("request")
        if self.kind == THIN:
            request = _dict(_dict(self.payload.get("reason")).get("request"))
        return _name(request.get("id") if isinstance(request, dict) else request)

    @property
    def dashboard_url(self) -> str:
        mode = "" if self.livemode else "test/"
        account = f"{self.account}/" if self.account.startswith("acct_") and "/" not in self.account else ""
        page = "events" if self.kind == SNAPSHOT else "workbench/events"
        return f"https://dashboard.stripe.com/{account}{mode}{page}/{self.id}"


def parse(body: bytes | str, endpoint: str) -> StripeEvent:
    """Read a verified body; raise MalformedEvent when it is not an event."""
    payload = _load(body)
    kind = _KINDS.get(payload["object"]) if isinstance(payload.get("object"), str) else None
    if kind is None:
        raise MalformedEvent('The body is not a Stripe event: its "object" is neither "event" nor "v2.core.event".')
    if not isinstance(livemode := payload.get("livemode", False), bool):
        raise MalformedEvent('The event\'s "livemode" is not true or false.')
    return StripeEvent(
        id=_required(payload, "id"),
        type=_required(payload, "type"),
        kind=kind,
        created=_created(payload.get("created")),
        livemode=livemode,
        account=_account(payload.get("account" if kind == SNAPSHOT else "context")),
        api_version=_name(payload.get("api_version"))[:64],
        endpoint=endpoint,
        payload=payload,
    )


def _load(body: bytes | str) -> dict[str, Any]:
    try:
        # As text: of bytes, json.loads would guess UTF-16 and UTF-32 too.
        text = body if isinstance(body, str) else body.decode()
        payload = json.loads(text, parse_constant=_no_constant)
    except RecursionError:
        raise MalformedEvent("The body is nested too deeply.") from None
    except ValueError:  # bad UTF-8, bad JSON, NaN, a number of more than 4300 digits
        raise MalformedEvent("The body is not JSON.") from None
    if not isinstance(payload, dict):
        raise MalformedEvent("The body is JSON, but not an object.")
    return payload


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _required(payload: Mapping[str, Any], key: str) -> str:
    if not (value := _name(payload.get(key))):
        raise MalformedEvent(f'The event\'s "{key}" is missing or not a Stripe name.')
    return value


def _account(value: Any) -> str:
    if value is None or value == "":
        return ""
    if not isinstance(value, str) or not _CONTEXT.fullmatch(value):
        raise MalformedEvent("The event's account is not a Stripe id.")
    return value


def _created(value: Any) -> datetime:
    """Seconds since 1970 in v1, an ISO 8601 string in v2."""
    try:
        if _is_int(value) and 0 < value < _LAST_CREATED:
            return datetime.fromtimestamp(value, UTC)
        if isinstance(value, str):
            moment = datetime.fromisoformat(value)
            moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
            if 0 < moment.timestamp() < _LAST_CREATED:
                return moment
    except (ValueError, OverflowError):
        pass
    raise MalformedEvent('The event\'s "created" is not a time.')


def _name(value: Any) -> str:
    return value if isinstance(value, str) and _NAME.fullmatch(value) else ""


def _is_int(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
