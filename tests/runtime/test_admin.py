"""The admin as anybody who can reach it, or log in, may use it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from notifier.models import Alert, Attempt
from tests.notifier.rows import a_target, an_alert
from tests.webhooks.stripe_side import received

pytestmark = pytest.mark.django_db
OURS = [model for model in admin.site._registry if model._meta.app_label in ("swa_webhooks", "swa_notifier")]


def place(model: type) -> str:
    return f"/admin/{model._meta.app_label}/{model._meta.model_name}/"  # type: ignore[attr-defined]  # a model


@pytest.mark.parametrize("model", OURS, ids=lambda model: model.__name__)
@pytest.mark.parametrize("text", ["%00", "a%00b", "%ED%A0%80", "%", "x" * 5000], ids=lambda text: text[:9])
def test_no_filter_or_search_is_an_error_of_the_site(admin_client: Client, model: type, text: str) -> None:
    admin_client.raise_request_exception = False
    for name in ("q", "endpoint", "type__exact", "source", "category__exact", text):
        assert admin_client.get(f"{place(model)}?{name}={text}").status_code in (200, 302, 400)


@pytest.mark.parametrize("model", OURS, ids=lambda model: model.__name__)
@pytest.mark.parametrize("chosen", ["\0", "9" * 30, "2026-13-45", ""])
def test_no_choice_of_rows_is_an_error_of_the_site(admin_client: Client, model: type, chosen: str) -> None:
    admin_client.raise_request_exception = False
    actions = admin.site._registry[model].actions or []
    for action in ("delete_selected", *(getattr(one, "__name__", one) for one in actions)):
        answer = admin_client.post(place(model), {"action": action, "_selected_action": chosen})
        assert answer.status_code in (200, 302, 400, 403)


@pytest.mark.parametrize(
    ("model", "make", "long"),
    [
        ("swa_webhooks.WebhookEvent", received, ["body"]),
        ("swa_notifier.Alert", lambda: an_alert(), ["traceback", "message", "context"]),
        ("swa_notifier.Attempt", lambda: an_attempt(), ["text"]),
    ],
)
def test_a_list_loads_no_long_texts(
    admin_client: Client, model: str, make: Callable[[], object], long: list[str]
) -> None:
    make()
    found = apps.get_model(model)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert admin_client.get(place(found)).status_code == 200
    table = found._meta.db_table
    for query in queries:
        for field in long:
            assert f'"{table}"."{field}"' not in query["sql"].partition("FROM")[0]


def an_attempt() -> Attempt:
    now = timezone.now()
    return Attempt.objects.create(
        target=a_target("slack:#a"), token="t", reference="r", reason="test", text="x" * 100, started_at=now
    )


def test_an_alert_with_every_text_is_still_shown_whole(admin_client: Client) -> None:
    alert = an_alert()
    Alert.objects.filter(pk=alert.pk).update(traceback="the whole traceback")
    page = admin_client.get(f"{place(Alert)}{alert.pk}/change/").content.decode()
    assert "the whole traceback" in page


def test_wrong_passwords_are_not_looked_at_for_a_while() -> None:
    User.objects.create_superuser("ada", password="right")
    cache.clear()

    def log_in(password: str) -> int:
        return Client().post("/admin/login/?next=/admin/", {"username": "ada", "password": password}).status_code

    now = timezone.now()
    with time_machine.travel(now, tick=False):
        assert [log_in("wrong") for _ in range(5)][:4] == [200] * 4
        assert log_in("right") == 429
    with time_machine.travel(now + timedelta(minutes=16), tick=False):
        assert log_in("right") == 302
