"""`manage.py trigger`: post a correctly signed event, as Stripe would."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from django.core.management.base import CommandError
from django.utils import timezone

from alerts_runtime.management.command import PlainCommand, whole
from alerts_runtime.stripe_data import signature
from webhooks import samples
from webhooks.conf import config

TIMEOUT = 30  # seconds
# Currencies whose smallest unit is not a hundredth: https://docs.stripe.com/currencies#zero-decimal
_ZERO_DECIMALS = "bif clp djf gnf jpy kmf krw mga pyg rwf ugx vnd vuv xaf xof xpf"
_THREE_DECIMALS = "bhd jod kwd omr tnd"
DECIMALS = dict.fromkeys(_ZERO_DECIMALS.split(), 0) | dict.fromkeys(_THREE_DECIMALS.split(), 3)


class Command(PlainCommand):
    help = "Post a correctly signed Stripe event over HTTP and print how it was answered."
    examples = (
        "invoice.paid --livemode",
        "charge.refunded --amount 12.50 --currency eur",
        "invoice.paid --file event.json --url https://shop.example/stripe/default/",
        "invoice.paid --bad-signature",
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("type", help="e.g. invoice.paid")
        parser.add_argument("--url", default="http://127.0.0.1:8000/stripe/default/")
        parser.add_argument("--file", type=Path, help="an event as JSON; gets a fresh id, time and signature")
        parser.add_argument("--livemode", action="store_true")
        parser.add_argument("--account", default="", help="a Connect account: acct_...")
        parser.add_argument("--amount", help="in the currency's unit: 1250.00")
        parser.add_argument("--currency", default=samples.CURRENCY)
        parser.add_argument("--count", type=whole(1, 1_000_000), default=1)
        parser.add_argument("--id", default="", help="instead of a fresh id; with --count, deliver it that often")
        parser.add_argument("--thin", action="store_true", help="a v2 event without its object")
        parser.add_argument("--bad-signature", action="store_true", help="expect 400")

    def handle(self, **options: Any) -> None:
        url = str(options["url"])
        secret = "whsec_wrong" if options["bad_signature"] else _secret(url)
        wanted = "400" if options["bad_signature"] else "2xx"
        failed = 0
        with requests.Session() as session:
            for _ in range(options["count"]):
                event = _event(options)
                status, text = _post(session, url, event, secret)
                self.stdout.write(f"{status or 'no answer'} {event['type']} {event['id']}: {text}")
                failed += not (status == 400 if options["bad_signature"] else 200 <= status < 300)
        if failed:
            raise CommandError(f"{failed} of {options['count']} were not answered with {wanted}.")


def _secret(url: str) -> str:
    name = url.rstrip("/").rpartition("/")[2]
    endpoint = config().endpoints.get(name)
    if endpoint is None:
        raise CommandError(f"There is no endpoint {name!r} here; known are: {', '.join(config().endpoints) or 'none'}.")
    if not endpoint.secrets:
        raise CommandError(f"The endpoint {name!r} has no signing secret here, so nothing can be signed for it.")
    return endpoint.secrets[0]


def _event(options: Mapping[str, Any]) -> dict[str, Any]:
    common = {
        "event_id": options["id"],
        "livemode": options["livemode"],
        "account": options["account"],
    }
    if options["file"]:
        return _from_file(options["file"], options)
    if options["thin"]:
        return samples.thin(options["type"], **common)
    currency = options["currency"].lower()
    amount = _smallest_units(options["amount"], currency) if options["amount"] else samples.AMOUNT
    return samples.snapshot(options["type"], amount=amount, currency=currency, **common)


def _from_file(path: Path, options: Mapping[str, Any]) -> dict[str, Any]:
    try:
        event = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise CommandError(f"{path} cannot be read as JSON: {error}") from None
    if not isinstance(event, dict):
        raise CommandError(f"{path} is JSON, but not an event: an event is an object.")
    now = timezone.now()
    is_thin = event.get("object") == "v2.core.event"
    return {
        **event,
        "id": options["id"] or samples.new_id("evt"),
        "created": now.isoformat() if is_thin else int(now.timestamp()),
        "type": options["type"],
        "livemode": options["livemode"],
        **({"context" if is_thin else "account": options["account"]} if options["account"] else {}),
    }


def _smallest_units(amount: str, currency: str) -> int:
    try:
        units = Decimal(amount).scaleb(DECIMALS.get(currency, 2))
    except ArithmeticError:  # no number, or one that Decimal cannot hold
        units = Decimal("NaN")
    if not (units.is_finite() and 0 <= units < 10**12):  # of Stripe's, eight digits is the most
        raise CommandError(f"{amount[:40]!r} is not an amount, such as 1250.00.")
    if units != units.to_integral_value():
        raise CommandError(f"{amount} {currency} has more decimals than that currency.")
    return int(units)


def _post(session: requests.Session, url: str, event: dict[str, Any], secret: str) -> tuple[int, str]:
    body = json.dumps(event)
    signed = signature.header(body, secret, int(timezone.now().timestamp()))
    headers = {"Stripe-Signature": signed, "Content-Type": "application/json"}
    try:
        response = session.post(url, data=body.encode(), headers=headers, timeout=TIMEOUT, allow_redirects=False)
    except requests.RequestException as error:
        return 0, f"{type(error).__name__}: is the server running at {url}?"
    if response.status_code == 400 and _is_djangos(response):
        return 400, f"refused before it was read: put {urlsplit(url).hostname!r} into the server's ALLOWED_HOSTS."
    return response.status_code, response.text.strip()[:200]


def _is_djangos(response: requests.Response) -> bool:
    """The receiver answers in plain text; Django refuses a host with a page, or names its exception."""
    return "html" in response.headers.get("Content-Type", "") or "DisallowedHost" in response.text
