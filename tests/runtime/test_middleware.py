"""Probes come by address and over plain HTTP; whatever else a site asks of its visitors is asked of others."""

from __future__ import annotations

import pytest
from django.test import Client
from pytest_django import Settings

PROBES = "alerts_runtime.middleware.AnswerProbes"


@pytest.fixture
def client(settings: Settings) -> Client:
    settings.ALLOWED_HOSTS = ["shop.example"]
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_REDIRECT_EXEMPT = []
    settings.MIDDLEWARE = [PROBES, *settings.MIDDLEWARE]
    return Client(headers={"host": "10.1.2.3:8000"})


def test_healthz_answers_by_address_and_over_http(client: Client) -> None:
    assert client.get("/healthz").content == b"ok\n"


def test_everything_else_asks_for_a_name_and_https(client: Client) -> None:
    assert client.get("/admin/").status_code == 400
    assert client.get("/nothing/healthz").status_code == 400
    assert client.get("/admin/", headers={"host": "shop.example"}).status_code == 301


def test_metrics_are_no_more_public_than_before(client: Client, settings: Settings) -> None:
    settings.METRICS_TOKEN = "a-token-for-prometheus"
    assert client.get("/metrics", REMOTE_ADDR="203.0.113.7").status_code == 401
