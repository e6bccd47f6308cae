"""What these tests share: dj-stripe's endpoint, and Stripe, which posts signed events to it."""

from __future__ import annotations

import hmac
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import count
from typing import Any

import pytest
from django.apps import apps
from django.db import connection, transaction
from django.test import Client
from django.test.utils import setup_databases, teardown_databases
from djstripe.models import Account, APIKey, Event, WebhookEndpoint, WebhookEventTrigger

from alerts_runtime.monitoring import watchdog
from notifier.channels import memory
from notifier.intake import djstripe_rows
from tests.djstripe.site import models as site
from tests.djstripe.site import settings

SECRET = "whsec_canary" + "s" * 26
_USED = (APIKey, Account, Event, WebhookEndpoint, WebhookEventTrigger)
_numbers = count(1)


@pytest.fixture(autouse=True)
def looks(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """A look is a thread of its own, which would outlive the test."""
    found: list[bool] = []
    monkeypatch.setattr(watchdog, "look", lambda: found.append(True))
    return found


@pytest.fixture(autouse=True)
def _nothing_left() -> Iterator[None]:
    memory.clear()
    djstripe_rows._told_up_to.clear()
    yield
    memory.clear()
    for calls in (site.handle, site.handle_ours, site.on_error, site.on_processed):
        calls.clear()


@dataclass
class Stripe:
    """Posts events to dj-stripe's view. What a handler raises comes as the 500 that Stripe would see."""

    endpoint: WebhookEndpoint
    client: Client = field(default_factory=lambda: Client(raise_request_exception=False))

    def event(self, kind: str = "invoice.will_be_due", **values: Any) -> dict[str, Any]:
        number = next(_numbers)
        about = {
            "id": f"in_{number}",
            "object": "invoice",
            "amount_due": 125_000,
            "currency": "eur",
            "customer": "cus_1",
        }
        known = {
            "id": f"evt_{number}",
            "object": "event",
            "type": kind,
            "created": int(time.time()),
            "livemode": True,
            "api_version": "2026-05-27.dahlia",
            "data": {"object": about},
            "request": {"id": None, "idempotency_key": None},
        }
        return known | values

    def post(
        self,
        event: object,
        secret: str = SECRET,
        at: int | None = None,
        headers: Mapping[str, str] | None = None,
        path: str = "",
    ) -> int:
        body = event if isinstance(event, str) else json.dumps(event)
        stamp = int(time.time()) if at is None else at
        signature = hmac.new(secret.encode(), f"{stamp}.{body}".encode(), sha256).hexdigest()
        answer = self.client.post(
            path or f"/stripe/webhook/{self.endpoint.djstripe_uuid}/",
            data=body,
            content_type="application/json",
            headers={"Stripe-Signature": f"t={stamp},v1={signature}"} | dict(headers or {}),
        )
        return int(answer.status_code)


@pytest.fixture(scope="session")
def _tables(django_test_environment: None, django_db_blocker: Any) -> Iterator[None]:
    with django_db_blocker.unblock():
        made = setup_databases(verbosity=0, interactive=False)
        yield
        connection.close()
        teardown_databases(made, verbosity=0)


@pytest.fixture
def database(_tables: None, django_db_blocker: Any) -> Iterator[None]:
    """Commits are real. Only the tables in use are emptied: PostgreSQL takes seconds to truncate all of dj-stripe's."""
    with django_db_blocker.unblock():
        yield
        with transaction.atomic(), connection.cursor() as cursor:
            for model in apps.get_models():
                if model._meta.app_label.startswith("swa_") or model in _USED:
                    cursor.execute(f"DELETE FROM {connection.ops.quote_name(model._meta.db_table)}")


@pytest.fixture
def stripe(database: None) -> Stripe:
    account = Account.objects.create(id="acct_bridge", livemode=True)
    key = settings.STRIPE_LIVE_SECRET_KEY
    APIKey.objects.create(secret=key, type="secret", livemode=True, djstripe_owner_account=account)
    endpoint = WebhookEndpoint.objects.create(
        id="we_bridge",
        djstripe_owner_account=account,
        secret=SECRET,
        livemode=True,
        enabled_events=["*"],
        status="enabled",
        url="https://shop.example/stripe/webhook/",
    )
    return Stripe(endpoint)


Raise = Callable[[BaseException], None]


@pytest.fixture
def handlers_raise() -> Raise:
    """Let every handler raise this, until `site.handle` is cleared."""

    def set_to(error: BaseException) -> None:
        def fail(event: object) -> None:
            raise error

        site.handle[:] = [fail]

    return set_to
