"""Mistakes in the project's settings are found before they cost an event."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connections
from django.db.models import Model
from huey import MemoryHuey  # type: ignore[import-untyped]  # Huey ships no types
from huey.serializer import SignedSerializer  # type: ignore[import-untyped]  # as above

from alerts_runtime import checks
from alerts_runtime.conf import lease
from tests.damage import ALL, NEVER_RIGHT, SECRET
from webhooks.deploy_checks import check_the_way_in
from webhooks.loops import loops

SQLITE = "django.db.backends.sqlite3"
POSTGRESQL = "django.db.backends.postgresql"


@pytest.mark.parametrize(
    ("database", "found"),
    [
        ({"ENGINE": SQLITE, "OPTIONS": {"transaction_mode": "IMMEDIATE"}}, []),
        ({"ENGINE": SQLITE, "OPTIONS": {"timeout": 20}}, ["alerts_runtime.W001"]),
        ({"ENGINE": SQLITE}, ["alerts_runtime.W001"]),
        ({"ENGINE": POSTGRESQL}, []),
    ],
)
def test_sqlite_without_immediate_transactions_is_warned_of(
    database: dict[str, Any], found: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alerts_runtime.checks.settings.DATABASES", {"default": database})
    assert [message.id for message in checks.sqlite_waits_for_its_turn()] == found


def test_times_without_zones_are_an_error(settings: Any) -> None:
    assert checks.times_have_zones() == []
    settings.USE_TZ = False
    assert [message.id for message in checks.times_have_zones()] == ["alerts_runtime.E008"]


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("WORKER_THREADS", 1, []),
        *(("WORKER_THREADS", wrong, ["alerts_runtime.E001"]) for wrong in (0, -1, "4", None, True, 1.5, 10**30)),
        ("ALERTS_LEASE", 0.6, []),
        *(("ALERTS_LEASE", wrong, ["alerts_runtime.E009"]) for wrong in (0, "15", None, True, float("nan"), 10**30)),
    ],
)
def test_a_number_that_no_worker_can_use_is_an_error(name: str, value: Any, found: list[str], settings: Any) -> None:
    setattr(settings, name, value)
    assert [message.id for message in checks.numbers_fit()] == found


# Each check that reads one of them. What is wrong with it is told by its name, and by no traceback.
SETTINGS = {
    "WORKER_THREADS": [checks.numbers_fit],
    "ALERTS_LEASE": [checks.numbers_fit],
    "METRICS_TOKEN": [checks.texts_are_texts],
    "TASKS_QUEUE": [checks.texts_are_texts],
    "SITE_URL": [checks.texts_are_texts, checks.addresses_can_be_used, check_the_way_in],
    "HEARTBEAT_URL": [checks.texts_are_texts, checks.addresses_can_be_used],
    "ADMINS": [checks.addresses_can_be_used],
    "ALERTS_ENGINE": [checks.texts_are_texts, checks.the_engine_is_one, checks.hueys_hints_are_signed],
    "TASKS": [checks.the_engine_is_one, checks.hueys_hints_are_signed],
}


@pytest.mark.parametrize("damage", sorted(ALL))
@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_whatever_a_setting_is_the_checks_tell_it_and_no_secret(name: str, damage: str, settings: Any) -> None:
    settings.ALERTS_ENGINE = "alerts" if name == "TASKS" else ""
    setattr(settings, name, ALL[damage]())
    said = " ".join(f"{message.msg} {message.hint}" for check in SETTINGS[name] for message in check())
    assert SECRET not in said
    if damage in NEVER_RIGHT:
        assert name in said


def test_a_worker_starts_with_the_default_of_a_number_that_is_wrong(settings: Any) -> None:
    settings.WORKER_THREADS, settings.ALERTS_LEASE = "4", None
    assert [loop.threads for loop in loops() if loop.name == "events"] == [4]
    assert lease() == 15


SIGNED = SignedSerializer(secret="s" * 50)


@pytest.mark.parametrize(
    ("backend", "huey", "found"),
    [
        ("huey.contrib.djhuey.tasks_backend.HueyBackend", {"serializer": SIGNED}, []),
        ("huey.contrib.djhuey.tasks_backend.HueyBackend", MemoryHuey(serializer=SIGNED), []),
        ("huey.contrib.djhuey.tasks_backend.HueyBackend", {"name": "shop"}, ["alerts_runtime.E002"]),
        ("huey.contrib.djhuey.tasks_backend.HueyBackend", MemoryHuey(), ["alerts_runtime.E002"]),
        ("huey.contrib.djhuey.tasks_backend.HueyBackend", None, ["alerts_runtime.E002"]),
        ("django_tasks_fennel.CeleryBackend", None, []),
    ],
)
def test_unsigned_hints_of_huey_are_an_error(backend: str, huey: Any, found: list[str], settings: Any) -> None:
    settings.TASKS, settings.ALERTS_ENGINE = {"alerts": {"BACKEND": backend}}, "alerts"
    settings.HUEY = huey
    assert [message.id for message in checks.hueys_hints_are_signed()] == found


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"SITE_URL": "https://shop.example"}, []),
        ({"SITE_URL": ""}, []),
        ({"SITE_URL": "shop.example"}, ["SITE_URL has no scheme."]),
        ({"SITE_URL": "https://"}, ["SITE_URL names no host."]),
        ({"SITE_URL": "https://[shop"}, ["SITE_URL is not a URL."]),
        ({"HEARTBEAT_URL": "hc-ping.com/1"}, ["HEARTBEAT_URL has no scheme."]),
        ({"HEARTBEAT_URL": "https://hc-ping.com/1"}, []),
        ({"ADMINS": ["team@example.com", ("Team", "team@example.com")]}, []),
        ({"ADMINS": ["team@example.com", "team"]}, ["ADMINS[1] has no email address, so the last resort could tell"]),
        ({"ADMINS": [("team@example.com", "Team")]}, ["ADMINS[0] has no email address"]),
    ],
)
def test_addresses_that_cannot_be_used_are_errors(given: dict[str, Any], found: list[str], settings: Any) -> None:
    for name, value in given.items():
        setattr(settings, name, value)
    messages = checks.addresses_can_be_used()
    assert len(messages) == len(found)
    assert all(message.msg.startswith(words) for message, words in zip(messages, found, strict=True))


@pytest.mark.parametrize(
    ("alias", "backend", "says"),
    [
        ("", "django_tasks_fennel.CeleryBackend", ""),
        ("alerts", "django_tasks_fennel.CeleryBackend", ""),
        ("alert", "django_tasks_fennel.CeleryBackend", "Did you mean 'alerts'?"),
        ("alerts", "django.tasks.backends.immediate.ImmediateBackend", "Leave it empty"),
    ],
)
def test_an_engine_that_is_none_is_an_error(alias: str, backend: str, says: str, settings: Any) -> None:
    settings.TASKS, settings.ALERTS_ENGINE = {"alerts": {"BACKEND": backend}}, alias
    found = checks.the_engine_is_one()
    assert [message.id for message in found] == (["alerts_runtime.E005"] if says else [])
    assert all(says in str(message.hint) for message in found)


@pytest.mark.parametrize(("vendor", "found"), [("sqlite", []), ("postgresql", []), ("mysql", ["alerts_runtime.E006"])])
def test_another_database_is_an_error(vendor: str, found: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(connections["default"]), "vendor", vendor)
    assert [message.id for message in checks.the_database_is_known()] == found


class Elsewhere:
    """A site's router that sends the events to a database of their own."""

    def db_for_write(self, model: type[Model], **_: object) -> str | None:
        return "events" if model._meta.app_label == "swa_webhooks" else None


def test_a_router_for_our_tables_is_an_error(settings: Any) -> None:
    assert checks.our_tables_are_in_the_default_database() == []
    settings.DATABASE_ROUTERS = [f"{__name__}.Elsewhere"]
    (message,) = checks.our_tables_are_in_the_default_database()
    assert message.id == "alerts_runtime.E007"
    assert "'events'" in message.msg
    assert "'swa_webhooks'" in str(message.hint)


def test_it_says_how_many_connections_a_worker_takes(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def said(channels: int) -> int:
        aliases = [f"chat{number}" for number in range(channels)]
        settings.NOTIFIER = {"CHANNELS": {alias: {"BACKEND": "memory"} for alias in aliases}, "ROUTES": {"*": aliases}}
        (message,) = checks.a_worker_takes_connections()
        return int(message.msg.partition("takes ")[2].partition(" ")[0])

    monkeypatch.setattr(type(connections["default"]), "vendor", "postgresql")
    alone = said(1)
    assert alone >= 4 + 1 + 2 + 1 + 1  # events, a courier, two ticks, the heartbeat, whoever listens
    assert (said(3), said(4), said(60)) == (alone + 2, alone + 3, alone + 3)
    monkeypatch.setattr(type(connections["default"]), "vendor", "sqlite")
    assert checks.a_worker_takes_connections() == []


def test_where_the_alerts_cannot_be_read_their_own_check_says_so(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.NOTIFIER = {"CHANNELS": {"chat": {"BACKEND": "nothing"}}}
    monkeypatch.setattr(type(connections["default"]), "vendor", "postgresql")
    assert checks.a_worker_takes_connections() == []
