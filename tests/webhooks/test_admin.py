"""The admin: to look, and to process again."""

from __future__ import annotations

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone

from tests.webhooks.stripe_side import received
from webhooks.events import StripeEvent
from webhooks.handlers import on
from webhooks.models import Failure, Refusal, WebhookEvent
from webhooks.process import processing

pytestmark = pytest.mark.django_db(transaction=True)
LIST = "/admin/swa_webhooks/webhookevent/"


@pytest.fixture
def dead() -> WebhookEvent:
    @on("*")
    def handle(event: StripeEvent) -> None:
        raise KeyError("<script>alert(1)</script>")

    row = received()
    processing.process_due()
    WebhookEvent.objects.update(state="dead", due_at=None)
    row.refresh_from_db()
    return row


def _action(client: Client, *rows: WebhookEvent) -> str:
    data = {"action": "process_again", "_selected_action": [row.pk for row in rows]}
    return client.post(LIST, data, follow=True).content.decode()


def test_events_are_listed_searched_and_shown_with_their_failures(admin_client: Client, dead: WebhookEvent) -> None:
    assert dead.event_id in admin_client.get(LIST).content.decode()
    assert dead.event_id in admin_client.get(LIST, {"q": dead.event_id, "state__exact": "dead"}).content.decode()
    assert dead.event_id not in admin_client.get(LIST, {"q": "evt_other"}).content.decode().replace("q=", "")
    page = admin_client.get(f"{LIST}{dead.pk}/change/").content.decode()
    assert "KeyError" in page
    assert "<details>" in page
    assert "<script>alert(1)" not in page


def test_nothing_can_be_added_changed_or_deleted(admin_client: Client, dead: WebhookEvent) -> None:
    assert admin_client.get(f"{LIST}add/").status_code == 403
    assert admin_client.post(f"{LIST}{dead.pk}/change/", {"state": "processed"}).status_code == 403
    assert admin_client.post(f"{LIST}{dead.pk}/delete/", {"post": "yes"}).status_code == 403


def test_process_again_arms_what_was_given_up_and_leaves_the_rest(admin_client: Client, dead: WebhookEvent) -> None:
    done = received()
    WebhookEvent.objects.filter(pk=done.pk).update(state="processed", due_at=None)
    page = _action(admin_client, dead, done)
    assert "1 will be processed again at once." in page
    assert "1 left alone" in page
    dead.refresh_from_db()
    done.refresh_from_db()
    assert (dead.state, done.state) == ("pending", "processed")
    assert LogEntry.objects.get().object_id == str(dead.pk)


def test_process_again_needs_the_right_to_change(client: Client, dead: WebhookEvent) -> None:
    user = User.objects.create_user("reader", password="x", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_webhookevent"))
    client.force_login(user)
    assert dead.event_id in client.get(LIST).content.decode()
    _action(client, dead)
    dead.refresh_from_db()
    assert dead.state == "dead"


def test_refusals_are_listed(admin_client: Client) -> None:
    now = timezone.now()
    Refusal.objects.create(endpoint="default", reason="no_match", minute=now, last_at=now, count=41)
    assert "41" in admin_client.get("/admin/swa_webhooks/refusal/").content.decode()


def test_rows_have_names() -> None:
    row = received("invoice.paid", event_id="evt_1")
    assert str(row) == "invoice.paid evt_1"
    assert str(Failure(exception="KeyError", message="'a'")) == "KeyError: 'a'"
    assert str(Failure(exception="KeyError")) == "KeyError"
    assert str(Refusal(endpoint="default", reason="no_match", count=3)) == "default: no_match x 3"
