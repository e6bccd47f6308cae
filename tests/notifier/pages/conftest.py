"""What the pages' tests share: people with each of the permissions, and alerts to look at."""

from __future__ import annotations

import django
import pytest
from django.contrib.auth.models import Group, User
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from notifier.models import Alert
from notifier.pages.groups import make as make_groups
from tests.notifier.conftest import _empty_outbox, configure, scene
from tests.notifier.rows import a_notification, an_alert, failures

__all__ = ["_empty_outbox", "configure", "scene"]


def a_client(*groups: str, name: str = "") -> Client:
    make_groups()
    name = name or "-".join(groups) or "stranger"
    user = User.objects.create_user(name.replace("Alerts: ", ""))
    user.groups.set(Group.objects.filter(name__in=groups))
    client = Client()
    client.force_login(user)
    return client


def queries(client: Client, address: str) -> int:
    """How often the database is asked for a page that nothing is remembered of."""
    cache.clear()
    with CaptureQueriesContext(connection) as asked:
        assert client.get(address).status_code == 200
    return len(asked)


def mail_in_memory(settings: Settings) -> None:
    """In the way of the Django that runs."""
    path = "django.core.mail.backends.locmem.EmailBackend"
    settings.EMAIL_BACKEND_PATH = path
    if django.VERSION >= (6, 1):
        settings.MAILERS = {"default": {"BACKEND": path}}
    else:
        settings.EMAIL_BACKEND = path


@pytest.fixture
def looker(db: None) -> Client:
    return a_client("Alerts: view")


@pytest.fixture
def actor(db: None) -> Client:
    return a_client("Alerts: act")


@pytest.fixture
def keeper(db: None) -> Client:
    return a_client("Alerts: configure")


@pytest.fixture
def paid(db: None) -> Alert:
    """Two payments that cannot be processed; the second one failed twice."""
    alert = an_alert()
    euro = {"currency": "eur", "attempt": 1}
    failures(
        alert,
        {"event_id": "evt_1", "customer": "cus_1", "object_id": "in_1", "amount": 125_000, **euro},
        {"event_id": "evt_2", "customer": "cus_2", "object_id": "in_2", "amount": 5_000, **euro},
        {"event_id": "evt_2", "customer": "cus_2", "object_id": "in_2", "amount": 5_000, **euro, "attempt": 2},
    )
    a_notification(alert)
    return alert
