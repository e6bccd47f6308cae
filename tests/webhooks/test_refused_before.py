"""Deliveries that something else answers before the receiver sees them are counted, by their cause."""

from __future__ import annotations

import json
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings as django_settings
from django.core.checks import CheckMessage
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, Client, override_settings

from tests.webhooks.stripe_side import deliver, sign
from webhooks import samples
from webhooks.deploy_checks import check_the_way_in
from webhooks.models import WebhookEvent
from webhooks.receive import refusals, views

pytestmark = pytest.mark.django_db
BODY = json.dumps(samples.snapshot("invoice.paid"))


def maintenance(_get_response: Any) -> Any:
    def answer(_request: HttpRequest) -> HttpResponse:
        return HttpResponse("back soon", status=200)

    return answer


def post(path: str = "/stripe/default/", **extra: Any) -> int:
    headers = {"Stripe-Signature": sign(BODY)}
    return Client().post(path, data=BODY, content_type="application/json", headers=headers, **extra).status_code


def counted() -> dict[tuple[str, str], int]:
    return {(endpoint, reason): count for (endpoint, reason, _), count in refusals._counts.items()}


@pytest.mark.parametrize(
    ("changes", "path", "status", "endpoint", "reason"),
    [
        ({"ALLOWED_HOSTS": ["shop.example"]}, "/stripe/default/", 400, "default", "disallowed_host"),
        ({"ALLOWED_HOSTS": ["shop.example"]}, "/stripe/nobody/", 400, views.UNKNOWN, "disallowed_host"),
        ({"SECURE_SSL_REDIRECT": True}, "/stripe/default/", 301, "default", "redirected"),
        ({}, "/stripe/", 404, views.UNKNOWN, "wrong_path"),
        ({}, "/stripe/default/more", 404, views.UNKNOWN, "wrong_path"),
        ({}, "/webhooks/", 404, views.UNKNOWN, "wrong_path"),
    ],
)
def test_the_cause_is_counted(changes: dict[str, Any], path: str, status: int, endpoint: str, reason: str) -> None:
    with override_settings(**changes):
        assert post(path) == status
    assert counted() == {(endpoint, reason): 1}
    assert not WebhookEvent.objects.exists()


def test_a_middleware_that_answers_for_us_is_counted_even_when_it_says_200() -> None:
    middleware = [*django_settings.MIDDLEWARE[:1], f"{__name__}.maintenance", *django_settings.MIDDLEWARE[1:]]
    with override_settings(MIDDLEWARE=middleware):
        assert post() == 200
    assert counted() == {("default", "answered_before"): 1}


def test_what_is_received_or_is_no_delivery_is_not_counted() -> None:
    assert deliver(samples.snapshot("invoice.paid")).status_code == 200
    Client().get("/stripe/")
    Client().post("/nowhere/")
    Client().post("/admin/login/", headers={"Stripe-Signature": "t=1,v1=a"})
    assert counted() == {}


def test_the_receivers_own_refusals_are_counted_once() -> None:
    assert deliver(samples.snapshot("invoice.paid"), secret="whsec_x").status_code == 400
    assert counted() == {("default", "no_match"): 1}


@pytest.mark.django_db(transaction=True)
def test_it_counts_under_asgi_too() -> None:
    post_async = async_to_sync(AsyncClient().post)
    answer = post_async("/stripe/", data=BODY, content_type="application/json")
    assert answer.status_code == 404
    assert counted() == {(views.UNKNOWN, "wrong_path"): 1}


# --- check --deploy ---------------------------------------------------------------------------------------------------

GOOD: dict[str, Any] = {
    "SITE_URL": "https://shop.example",
    "ALLOWED_HOSTS": ["shop.example"],
    "SECURE_SSL_REDIRECT": True,
    "SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https"),
    "WEBHOOKS": {"ENDPOINTS": {"default": {"SECRETS": ["whsec_a"], "LIVEMODE": True}}},
}


@pytest.mark.parametrize(
    ("changes", "ids"),
    [
        ({}, []),
        ({"SITE_URL": "https://other.example"}, ["webhooks.W006"]),
        ({"ALLOWED_HOSTS": ["*"], "SITE_URL": "https://other.example"}, []),
        ({"ALLOWED_HOSTS": [".example"]}, []),
        ({"ALLOWED_HOSTS": [".example", "https://shop.example"]}, ["webhooks.W015"]),
        ({"ALLOWED_HOSTS": [".example", "shop.example:8000"]}, ["webhooks.W015"]),
        ({"ALLOWED_HOSTS": [".example", "[::1]", "192.0.2.1"]}, []),
        ({"SITE_URL": "", "ALLOWED_HOSTS": ["localhost", "127.0.0.1", "[::1]"]}, ["webhooks.W006"]),
        ({"SITE_URL": "", "ALLOWED_HOSTS": ["shop.example"]}, []),
        ({"SITE_URL": "http://shop.example"}, ["webhooks.W007"]),
        ({"SECURE_PROXY_SSL_HEADER": None}, ["webhooks.W008", "webhooks.W010"]),
        ({"SECURE_PROXY_SSL_HEADER": None, "SECURE_SSL_REDIRECT": False}, ["webhooks.W010"]),
        ({"MIDDLEWARE": list(django_settings.MIDDLEWARE[1:])}, ["webhooks.W005"]),
        ({"WEBHOOKS": {"ENDPOINTS": {"default": {"SECRETS": ["whsec_a"]}}}}, ["webhooks.W004"]),
    ],
)
def test_what_the_check_finds_before_stripe_does(changes: dict[str, Any], ids: list[str]) -> None:
    with override_settings(**GOOD | changes):
        found: list[CheckMessage] = check_the_way_in()
    assert [message.id for message in found] == ids
