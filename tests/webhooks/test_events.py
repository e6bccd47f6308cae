"""events: what is read out of Stripe's JSON, and what is refused."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from webhooks import samples
from webhooks.events import StripeEvent, parse
from webhooks.exceptions import MalformedEvent

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
CORPUS = os.environ.get("STRIPE_EVENT_CORPUS", "")


def _parse(payload: dict[str, Any]) -> StripeEvent:
    return parse(json.dumps(payload).encode(), "default")


def test_a_snapshot_event_is_read() -> None:
    payload = samples.snapshot("invoice.paid", now=NOW, event_id="evt_1", livemode=True, account="acct_9")
    event = _parse(payload)
    assert (event.id, event.type, event.kind, event.endpoint) == ("evt_1", "invoice.paid", "snapshot", "default")
    assert (event.livemode, event.account, event.created) == (True, "acct_9", NOW)
    assert event.api_version == samples.API_VERSION
    assert event.payload == payload
    assert event.data == payload["data"]
    assert event.object["object"] == "invoice"
    assert event.object_id == payload["data"]["object"]["id"]
    assert event.customer == payload["data"]["object"]["customer"]
    assert event.request_id == payload["request"]["id"]
    assert event.dashboard_url == "https://dashboard.stripe.com/acct_9/events/evt_1"


def test_a_thin_event_is_read() -> None:
    payload = samples.thin("v2.core.account[requirements].updated", now=NOW, event_id="evt_2", account="acct_9")
    event = _parse(payload)
    assert (event.id, event.kind, event.created) == ("evt_2", "thin", NOW)
    assert (event.account, event.api_version, event.data) == ("acct_9", "", {})
    assert event.object == payload["related_object"]
    assert event.object_id == payload["related_object"]["id"]
    assert (event.amount, event.currency, event.customer) == (None, "", "")
    assert event.dashboard_url == "https://dashboard.stripe.com/acct_9/test/workbench/events/evt_2"


@pytest.mark.parametrize(
    ("object_", "amount", "currency"),
    [
        ({"object": "invoice", "status": "open", "amount_due": 1000, "amount_paid": 0, "currency": "EUR"}, 1000, "eur"),
        (
            {"object": "invoice", "status": "paid", "amount_due": 1000, "amount_paid": 900, "currency": "eur"},
            900,
            "eur",
        ),
        ({"object": "charge", "amount": 500, "amount_refunded": 200, "currency": "jpy"}, 500, "jpy"),
        ({"object": "checkout.session", "amount_total": 700, "amount_subtotal": 600, "currency": "usd"}, 700, "usd"),
        ({"object": "payout", "amount": -300, "currency": "usd"}, -300, "usd"),  # a payout back to Stripe
        ({"object": "charge", "amount": 0, "currency": "usd"}, 0, "usd"),
        ({"object": "subscription", "amount": 500, "currency": "usd"}, None, "usd"),  # not on the list
        ({"object": "charge", "amount": 500}, None, ""),  # an amount without its currency says nothing
        ({"object": "charge", "amount": "500", "currency": "usd"}, None, "usd"),
        ({"object": "charge", "amount": True, "currency": "usd"}, None, "usd"),
        ({"object": "charge", "amount": 10**40, "currency": "usd"}, None, "usd"),  # no column takes it
        ({"object": "charge", "amount": 500, "currency": "us\u0000"}, None, ""),
        ({"object": ["charge"], "amount": 500, "currency": "usd"}, None, "usd"),
    ],
)
def test_what_is_at_stake_comes_from_a_list_of_fields(
    object_: dict[str, Any], amount: int | None, currency: str
) -> None:
    payload = samples.snapshot("invoice.paid") | {"data": {"object": object_}}
    event = _parse(payload)
    assert (event.amount, event.currency) == (amount, currency)


@pytest.mark.parametrize(
    ("object_", "customer"),
    [
        ({"object": "customer", "id": "cus_1"}, "cus_1"),
        ({"object": "invoice", "customer": "cus_2"}, "cus_2"),
        ({"object": "invoice", "customer": {"id": "cus_3", "object": "customer"}}, "cus_3"),  # expanded
        ({"object": "invoice", "customer": None}, ""),
        ({"object": "invoice", "customer": "cus_\u0000"}, ""),
        ({"object": "invoice", "customer": "cus_\ud800"}, ""),
    ],
)
def test_the_customer_is_an_id_or_nothing(object_: dict[str, Any], customer: str) -> None:
    assert _parse(samples.snapshot("invoice.paid") | {"data": {"object": object_}}).customer == customer


@pytest.mark.parametrize(
    "changes",
    [
        {"data": None},
        {"data": []},
        {"data": {"object": None}},
        {"data": {"object": [1]}},
        {"request": None},
        {"request": "req_old_api_version"},
        {"api_version": None},
        {"api_version": "2026\u0000"},
        {"livemode": True, "account": None},
    ],
)
def test_what_is_missing_or_odd_beside_the_essentials_reads_as_empty(changes: dict[str, Any]) -> None:
    event = _parse(samples.snapshot("invoice.paid") | changes)
    read = (event.data, event.object, event.object_id, event.amount, event.request_id, event.api_version, event.account)
    assert "\x00" not in repr(read)


def _body(**changes: Any) -> bytes:
    return json.dumps(samples.snapshot("invoice.paid") | changes).encode()


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xff", "not JSON"),
        (_body().decode().encode("utf-16"), "not JSON"),  # json.loads of bytes would take it
        (b"\xef\xbb\xbf" + _body(), "not JSON"),
        (_body() + b"\x00", "not JSON"),
        (_body(created=float("nan")), "not JSON"),
        (b'{"n": %s}' % (b"9" * 5000), "not JSON"),
        (b"[" * 200_000, "nested too deeply"),
        (b'{"a":' * 200_000, "nested too deeply"),
        (b"[]", "not an object"),
        (b"null", "not an object"),
        (b'"evt_1"', "not an object"),
        (b"{}", "not a Stripe event"),
        (_body(object="charge"), "not a Stripe event"),
        (_body(object={"event": 1}), "not a Stripe event"),
        (_body(id=None), '"id"'),
        (_body(id=""), '"id"'),
        (_body(id=7), '"id"'),
        (_body(id="evt_\u0000"), '"id"'),
        (_body(id="evt_\ud800"), '"id"'),
        (_body(id="evt_1\n"), '"id"'),
        (_body(id="evt_" + "x" * 300), '"id"'),
        (_body(id="evt_1' OR 1=1"), '"id"'),
        (_body(type=None), '"type"'),
        (_body(type="invoice paid"), '"type"'),
        (_body(type=["invoice.paid"]), '"type"'),
        (_body(created=None), '"created"'),
        (_body(created=-1), '"created"'),
        (_body(created=True), '"created"'),
        (_body(created=10**30), '"created"'),
        (_body(created=1_800_000_000_000), '"created"'),  # milliseconds
        (_body(created="yesterday"), '"created"'),
        (_body(created="9999-12-31T23:59:59-23:59"), '"created"'),
        (_body(created={}), '"created"'),
        (_body(livemode="no"), '"livemode"'),
        (_body(account={"id": "acct_1"}), "account"),
        (_body(account="acct_\u0000"), "account"),
    ],
)
def test_what_is_no_event_is_refused_and_says_why(body: bytes, says: str) -> None:
    with pytest.raises(MalformedEvent, match=says):
        parse(body, "default")


def _corpus() -> list[Any]:
    if not CORPUS:
        reason = "STRIPE_EVENT_CORPUS is unset: a folder with snapshot/ and thin/ events as JSON"
        return [pytest.param(None, marks=pytest.mark.skip(reason=reason), id="corpus")]
    files = sorted([*Path(CORPUS).glob("snapshot/*.json"), *Path(CORPUS).glob("thin/*.json")])
    assert files, f"{CORPUS} holds no events"
    return [pytest.param(file, id=file.stem) for file in files]


@pytest.mark.parametrize("file", _corpus())
def test_every_event_of_the_corpus_can_be_read(file: Path) -> None:
    payload = json.loads(file.read_text())
    event = parse(file.read_bytes(), "default")
    assert (event.id, event.type) == (payload["id"], payload["type"])
    assert event.kind == file.parent.name
    assert event.created.tzinfo is UTC
    object_ = payload.get("related_object") or payload.get("data", {}).get("object", {})
    assert event.object == object_
    assert event.object_id == (object_.get("id") or "")
    if event.amount is not None:
        assert event.amount in [value for key, value in object_.items() if key.startswith("amount")]
        assert event.currency == object_["currency"].lower()
    assert event.dashboard_url.startswith("https://dashboard.stripe.com/")
