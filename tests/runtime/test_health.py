"""What a probe, an orchestrator and Prometheus are told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from unittest import mock

import pytest
from django.db import OperationalError, connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import DjangoAssertNumQueries, Settings

from alerts_runtime import background
from alerts_runtime.background import Loop
from alerts_runtime.monitoring import health, heartbeat, metrics, watchdog

TOKEN = "a-token-for-prometheus"


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No app's loops, and nothing remembered of the migrations."""
    monkeypatch.setattr(background, "_factories", [])
    health.migrations.forget()
    yield
    health.migrations.forget()


def waits_since(monkeypatch: pytest.MonkeyPatch, since: datetime | None) -> None:
    loop = Loop("events", lambda: 1.0, oldest_due=lambda _now: since)
    monkeypatch.setattr(background, "_factories", [lambda: [loop]])


def beat(at: datetime) -> None:
    heartbeat.beat("a", at, host="web1", pid=7, started_at=at, loops={})


@contextmanager
def database_away() -> Iterator[None]:
    def refuse(*_arguments: object, **_options: object) -> Any:
        raise OperationalError("connection to server at 10.0.0.7 failed: password of shop is wrong")

    with connection.execute_wrapper(refuse):
        yield


def reasons(response: Any) -> list[str]:
    return [reason["name"] for reason in response.json()["reasons"]]


# --- /healthz ---------------------------------------------------------------------------------------------------------


def test_a_process_that_answers_is_healthy_and_touches_no_database() -> None:
    response = Client().get("/healthz")  # without django_db, any query would fail
    assert (response.status_code, response.content) == (200, b"ok\n")


def test_probes_need_no_https(settings: Settings) -> None:
    settings.SECURE_SSL_REDIRECT = True
    assert Client().get("/healthz").status_code == 200
    assert Client().get("/admin/").status_code == 301


# --- /readyz ----------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_ready_with_a_worker_and_nothing_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    beat(timezone.now())
    waits_since(monkeypatch, None)
    response = Client().get("/readyz")
    assert (response.status_code, response.json()) == (200, {"ready": True, "reasons": []})


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("last_beat", "waiting", "status", "names"),
    [
        # seconds ago
        (None, None, 200, []),  # nobody works, and there is nothing to do
        (1, 120, 200, []),  # behind, and getting on
        (None, 61, 503, ["worker_dead"]),
        (61, 61, 503, ["worker_dead"]),
        (1, 301, 503, ["worker_stuck"]),
    ],
)
def test_not_ready_when_nobody_works_while_something_waits(
    monkeypatch: pytest.MonkeyPatch, last_beat: int | None, waiting: int | None, status: int, names: list[str]
) -> None:
    now = timezone.now()
    if last_beat is not None:
        beat(now - timedelta(seconds=last_beat))
    waits_since(monkeypatch, now - timedelta(seconds=waiting) if waiting else None)

    response = Client().get("/readyz")

    assert (response.status_code, reasons(response)) == (status, names)
    for reason in response.json()["reasons"]:
        assert "Nothing is lost." in reason["todo"]


@pytest.mark.django_db
def test_not_ready_without_the_database_and_the_reason_has_no_detail_of_it() -> None:
    with database_away():
        response = Client().get("/readyz")
    assert (response.status_code, reasons(response)) == (503, ["database"])
    assert b"10.0.0.7" not in response.content


@pytest.mark.django_db
def test_not_ready_when_migrations_are_missing() -> None:
    MigrationRecorder.Migration.objects.filter(app="swa_runtime").delete()
    response = Client().get("/readyz")
    assert (response.status_code, reasons(response)) == (503, ["migrations"])
    assert "manage.py migrate" in response.json()["reasons"][0]["todo"]


@pytest.mark.django_db
def test_migrations_are_looked_up_once_a_minute(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    assert health.migrations.missing(clock=0.0) == 0
    with django_assert_num_queries(0):
        assert health.migrations.missing(clock=59.0) == 0
    MigrationRecorder.Migration.objects.filter(app="swa_runtime").delete()
    assert health.migrations.missing(clock=61.0) >= 1


@pytest.mark.django_db
def test_a_mistake_in_the_settings_is_a_reason(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    from notifier.delivery import loops

    monkeypatch.setattr(background, "_factories", [loops.loops])
    settings.NOTIFIER = {"CHANNELS": {"slack": {"BACKEND": "slakc"}}}
    response = Client().get("/readyz")
    assert (response.status_code, reasons(response)) == (503, ["settings"])


# --- /metrics ---------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("token", "address", "headers", "status"),
    [
        # with a token: whoever has it, from anywhere
        (TOKEN, "203.0.113.9", {"Authorization": f"Bearer {TOKEN}"}, 200),
        (TOKEN, "203.0.113.9", {"Authorization": f"bearer {TOKEN}"}, 200),
        (TOKEN, "203.0.113.9", {"Authorization": f"Bearer {TOKEN}x"}, 401),
        (TOKEN, "203.0.113.9", {"Authorization": f"Basic {TOKEN}"}, 401),
        (TOKEN, "203.0.113.9", {"Authorization": "Bearer tökén"}, 401),
        (TOKEN, "203.0.113.9", {}, 401),
        (TOKEN, "127.0.0.1", {}, 401),
        # without: this machine, unless a proxy on it speaks for another
        ("", "127.0.0.1", {}, 200),
        ("", "::1", {}, 200),
        ("", "127.8.8.8", {}, 200),
        ("", "127.0.0.1", {"X-Forwarded-For": "127.0.0.1"}, 403),
        ("", "127.0.0.1", {"Forwarded": "for=203.0.113.9"}, 403),
        ("", "127.0.0.1", {"X-Real-IP": "203.0.113.9"}, 403),
        ("", "127.0.0.1", {"X-Forwarded-Proto": "https"}, 403),
        ("", "127.0.0.1", {"X-Forwarded-Host": "shop.example"}, 403),
        ("", "203.0.113.9", {}, 403),
        ("", "10.0.0.1", {}, 403),
        ("", "203.0.113.9", {"Authorization": "Bearer "}, 403),
        ("", "", {}, 403),  # a Unix socket
    ],
)
def test_who_may_read_the_metrics(
    settings: Settings, token: str, address: str, headers: dict[str, str], status: int
) -> None:
    settings.METRICS_TOKEN = token
    response = Client(REMOTE_ADDR=address).get("/metrics", headers=headers)
    assert response.status_code == status
    assert (b"workers_running" in response.content) is (status == 200)
    assert response.has_header("WWW-Authenticate") is (status == 401)


@pytest.mark.django_db
def test_a_site_without_the_setting_shows_its_metrics_to_its_own_machine(settings: Settings) -> None:
    del settings.METRICS_TOKEN
    assert Client(REMOTE_ADDR="127.0.0.1").get("/metrics").status_code == 200
    assert Client(REMOTE_ADDR="203.0.113.9").get("/metrics").status_code == 403


@pytest.mark.django_db
def test_behind_a_proxy_metrics_need_a_token_whatever_the_proxy_adds(settings: Settings) -> None:
    del settings.METRICS_TOKEN  # a site need not set it
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    refused = Client(REMOTE_ADDR="127.0.0.1").get("/metrics")
    assert refused.status_code == 403
    assert b"METRICS_TOKEN" in refused.content
    settings.METRICS_TOKEN = "token"
    assert Client().get("/metrics", headers={"Authorization": "Bearer token"}).status_code == 200


@pytest.mark.django_db
def test_metrics_are_in_prometheus_format_and_say_who_works() -> None:
    now = timezone.now()
    beat(now - timedelta(seconds=3))
    heartbeat.beat("b", now - timedelta(hours=1), host="web2", pid=8, started_at=now, loops={})

    response = Client().get("/metrics")

    assert response["Content-Type"] == metrics.CONTENT_TYPE
    families = {family.name: family for family in text_string_to_metric_families(response.content.decode())}
    assert [sample.value for sample in families["workers_running"].samples] == [1]
    ages = {sample.labels["host"]: sample.value for sample in families["worker_heartbeat_age_seconds"].samples}
    assert 3 <= ages["web1"] < 60
    assert ages["web2"] >= 3600


@pytest.mark.django_db
def test_metrics_are_not_there_while_the_database_is_away() -> None:
    with database_away():
        response = Client().get("/metrics")
    assert response.status_code == 503
    assert b"10.0.0.7" not in response.content


@pytest.mark.django_db
def test_no_page_takes_anything_but_a_look() -> None:
    assert {Client().post(path).status_code for path in ("/healthz", "/readyz", "/metrics")} == {405}


@pytest.mark.django_db
def test_readiness_looks_at_the_same_as_the_watchdog() -> None:
    found = watchdog.Finding(watchdog.Verdict.DEAD, None, timezone.now(), "events")
    with mock.patch.object(watchdog, "inspect", return_value=found):
        answer = json.loads(Client().get("/readyz").content)
    assert answer["reasons"][0]["what"] == watchdog.describe(found)[0]
