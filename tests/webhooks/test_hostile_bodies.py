"""A corpus of signed bodies that are wrong in every field and in every way: 400, 413 or 200, and never 500."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from tests.webhooks.stripe_side import sign
from webhooks import samples
from webhooks.handlers import on
from webhooks.models import WebhookEvent
from webhooks.process import claim, processing

pytestmark = pytest.mark.django_db(transaction=True)

SNAPSHOT = samples.snapshot("invoice.paid", livemode=True, account="acct_1")
THIN = samples.thin("v1.billing.meter.no_meter_found")
# What stands in a value's place. Raw JSON: some of it no encoder would write.
VALUES: dict[str, str] = {
    "null": "null",
    "true": "true",
    "zero": "0",
    "negative": "-1",
    "fraction": "1.5",
    "huge": "9" * 400,
    "too many digits": "9" * 5000,
    "exponent": "1e400",
    "NaN": "NaN",
    "Infinity": "-Infinity",
    "empty text": '""',
    "long text": json.dumps("x" * 300),
    "NUL": '"a\\u0000b"',
    "lone surrogate": '"\\ud800"',
    "pair of surrogates": '"\\ud83d\\ude00"',
    "right-to-left": '"evt_\\u202e1"',
    "line breaks": '"a\\r\\nb"',
    "list": "[]",
    "object": "{}",
    "nested list": "[" * 200 + "]" * 200,
}
DEEP = "[" * 300_000 + "]" * 300_000
WHOLE: dict[str, bytes] = {
    "nothing but blanks": b" \n\t ",
    "null": b"null",
    "number": b"1",
    "text": b'"event"',
    "list": b"[]",
    "empty object": b"{}",
    "two values": b"{}{}",
    "trailing comma": b'{"object": "event",}',
    "comment": b'{"object": "event"} // hello',
    "single quotes": b"{'object': 'event'}",
    "deep": f'{{"object": "event", "data": {DEEP}}}'.encode(),
    "deep objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "byte order mark": b"\xef\xbb\xbf" + json.dumps(SNAPSHOT).encode(),
    "UTF-16": json.dumps(SNAPSHOT).encode("utf-16"),
    "UTF-32": json.dumps(SNAPSHOT).encode("utf-32"),
    "Latin-1": json.dumps(SNAPSHOT | {"note": "é"}, ensure_ascii=False).encode("latin-1"),
    "overlong UTF-8": b'{"object": "\xc0\xaf"}',
    "encoded surrogate": b'{"object": "\xed\xa0\x80"}',
    "raw NUL": b'{"object": "event\x00"}',
    "raw control character": b'{"object": "event\x01"}',
    "cut off": json.dumps(SNAPSHOT).encode()[:-10],
    "key twice": b'{"id": 1,' + json.dumps(SNAPSHOT).encode()[1:],
    "many keys": json.dumps(SNAPSHOT | {f"k{n}": n for n in range(20_000)}).encode(),
    "form": b"object=event&id=evt_1",
    "gzip": b"\x1f\x8b\x08\x00\x00\x00\x00\x00",
    "too large": json.dumps(SNAPSHOT | {"pad": "x" * 1_100_000}).encode(),
}


def replaced(event: dict[str, Any], path: tuple[str, ...], value: str) -> bytes:
    """The event with raw JSON in one field's place."""
    copy = json.loads(json.dumps(event))
    place = copy
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = "@@"
    return json.dumps(copy).replace('"@@"', value).encode()


def paths(event: dict[str, Any], before: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, value in event.items():
        yield (*before, key)
        if isinstance(value, dict):
            yield from paths(value, (*before, key))


def post(body: bytes) -> int:
    # Stripe's library signs text only; a signature of these bytes fits nothing that is not UTF-8.
    text = body.decode("utf-8", "replace")
    client = Client(raise_request_exception=False)
    return client.post(
        "/stripe/default/", data=body, content_type="application/json", headers={"Stripe-Signature": sign(text)}
    ).status_code


@pytest.mark.parametrize("body", WHOLE.values(), ids=WHOLE)
def test_a_body_that_is_no_event(body: bytes) -> None:
    assert post(body) in (200, 400, 413)


@pytest.mark.parametrize("name", VALUES)
def test_a_value_of_the_wrong_kind_in_every_field_is_refused_or_stored_and_processed(name: str) -> None:
    """What was stored is claimed, parsed and handled as well: it may not get stuck behind the door."""
    seen: list[object] = []

    @on("*")
    def look(event: Any) -> None:
        names = ("data", "object", "object_id", "customer", "amount", "currency", "request_id", "dashboard_url")
        seen.extend(getattr(event, name) for name in names)

    for event in (SNAPSHOT, THIN):
        for path in paths(event):
            WebhookEvent.objects.all().delete()
            status = post(replaced(event, path, VALUES[name]))
            assert status in (200, 400), (path, status)
            assert WebhookEvent.objects.exists() is (status == 200), path
            for claimed in claim.claim(timezone.now(), 10):
                assert processing.process(claimed) == "processed", path
