"""A first look: a made-up day in an empty database, and nowhere else."""

from __future__ import annotations

import io
import re
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from notifier.channels import memory
from notifier.models import Alert, Notification
from tests.notifier.conftest import Configure
from tests.notifier.rows import an_alert
from webhooks.models import WebhookEvent
from webhooks.process.failures import forget_tracebacks

pytestmark = pytest.mark.django_db(transaction=True)


def _seed() -> str:
    said = io.StringIO()
    forget_tracebacks()  # those of other tests are gone
    call_command("demo_data", stdout=said)
    return said.getvalue()


def test_it_shows_what_is_open_with_an_account_to_log_in_and_leaves_nothing_to_do(
    settings: Settings, configure: Configure, client: Client
) -> None:
    configure(channels={"chat": {"BACKEND": "slack", "TO": "#payments"}})
    settings.DEBUG = True
    said = _seed()
    found = re.search(r"as (\S+) with the password (\S+)", said)
    assert found is not None
    answer = client.post("/alerts/login/", {"username": found[1], "password": found[2]})
    assert answer["Location"] == "/alerts/"
    page = client.get("/alerts/").content.decode()
    assert "invoice.<wbr>paid cannot be processed: database unavailable" in page
    assert f"{found[1]} has it" in page
    assert Alert.objects.filter(resolved_at__isnull=False).count() == 2
    assert memory.outbox == []
    soon = timezone.now() + timedelta(hours=1)
    assert not WebhookEvent.objects.filter(due_at__lt=soon).exists()
    assert not Notification.objects.filter(due_at__lt=soon).exists()


def test_it_refuses_a_real_site_and_a_used_database(settings: Settings, configure: Configure) -> None:
    configure()
    with pytest.raises(CommandError, match="Only with DEBUG or DEMO"):
        _seed()
    settings.DEBUG = True
    with pytest.raises(CommandError, match="chat would send"):
        _seed()
    an_alert()
    with pytest.raises(CommandError, match="There are alerts already"):
        _seed()
    assert Alert.objects.count() == 1
