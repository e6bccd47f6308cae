"""Who sees the pages, who may act, and what every answer carries."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, User
from django.http.response import HttpResponseBase
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils.html import escape
from pytest_django import Settings

from notifier.alerts import log
from notifier.models import Alert, LogEntry
from notifier.pages.groups import GROUPS, make
from notifier.pages.login import locked_out
from tests.notifier.pages.conftest import a_client

pytestmark = pytest.mark.django_db
NOW = "/alerts/"


def test_who_is_not_logged_in_comes_back_to_the_page_afterwards(client: Client, paid: Alert) -> None:
    User.objects.create_user("ada", password="a long enough word").groups.set(Group.objects.all())
    answer = client.get(f"/alerts/{paid.pk}/")
    assert answer["Location"] == f"/alerts/login/?next=/alerts/{paid.pk}/"
    answer = client.post(
        answer["Location"], {"username": "ada", "password": "a long enough word", "next": f"/alerts/{paid.pk}/"}
    )
    assert answer["Location"] == f"/alerts/{paid.pk}/"


def test_a_login_that_fails_says_so(client: Client) -> None:
    page = client.post("/alerts/login/", {"username": "ada", "password": "wrong"}).content.decode()
    assert 'role="alert"' in page
    assert "default-src 'none'" in client.get("/alerts/login/")["Content-Security-Policy"]


def test_a_stranger_learns_which_permission_is_missing_and_nothing_else(paid: Alert) -> None:
    answer = a_client().get(f"/alerts/{paid.pk}/")
    assert answer.status_code == 403
    assert "swa_notifier.view_alert" in answer.content.decode()
    assert "invoice.paid" not in answer.content.decode()


def test_who_may_only_look_has_no_button_and_no_way_round(looker: Client, paid: Alert) -> None:
    page = looker.get(f"/alerts/{paid.pk}/").content.decode()
    assert "Acknowledge" not in page
    for verb in ("acknowledge", "resolve", "replay", "comment", "take_back"):
        assert looker.post(f"/alerts/{paid.pk}/{verb}/", {"text": "x"}).status_code == 403
    paid.refresh_from_db()
    assert paid.resolved_at is paid.acknowledged_until is None
    assert not LogEntry.objects.exists()


def test_a_button_needs_its_token(paid: Alert) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.create_superuser("root"))
    assert client.post(f"/alerts/{paid.pk}/resolve/").status_code == 403


PASSWORD = "a long enough word"
LONG = "Die Bücher stimmen nicht, 帳簿が合わない. " * 250  # as an address it would take 60 kB


def _log_in_again(client: Client, answer: HttpResponseBase) -> str:
    """By the form that the answer leads to; the page after it."""
    assert answer["Location"].startswith("/alerts/login/?next=")
    assert len(answer["Location"]) < 200
    User.objects.create_superuser("root", password=PASSWORD)
    come_back = client.get(answer["Location"]).context["next"]
    client.post("/alerts/login/", {"username": "root", "password": PASSWORD, "next": come_back})
    return client.get(come_back).content.decode()


@pytest.mark.parametrize("text", ["the ledger's disk is full", LONG.strip()])
def test_a_session_that_ended_loses_no_typed_text(client: Client, paid: Alert, text: str) -> None:
    address = f"/alerts/{paid.pk}/"
    page = _log_in_again(client, client.post(f"{address}comment/", {"text": text}))
    assert f"{escape(text)}</textarea>" in page
    assert not LogEntry.objects.exists()
    # There until it is sent, and then no more; all of it is in the log.
    assert f"{escape(text)}</textarea>" in client.get(address).content.decode()
    client.post(f"{address}comment/", {"text": text})
    assert LogEntry.objects.get().text == text[: log.WORDS]
    assert f"{escape(text)}</textarea>" not in client.get(address).content.decode()


def test_no_form_is_lost_by_a_session_that_ended(client: Client, paid: Alert) -> None:
    silence = {"event": "invoice.*", "for": "3h", "from": "", "comment": LONG[:500].strip(), "livemode": "live"}
    page = _log_in_again(client, client.post("/alerts/silences/new/", silence))
    for value in ("invoice.*", "3h", silence["comment"]):
        assert f'value="{escape(value)}"' in page
    client.logout()
    User.objects.all().delete()
    page = _log_in_again(client, client.post(f"/alerts/{paid.pk}/ignore/", {"text": "known", "form": "ignore"}))
    assert 'name="text" value="known"' in page
    assert "></textarea>" in page
    client.logout()
    User.objects.all().delete()
    answer = client.get("/alerts/?q=ledger")
    assert 'name="q" value="ledger"' in _log_in_again(client, answer)


def test_a_form_that_is_refused_says_why_and_loses_no_text(paid: Alert) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.create_superuser("root"))
    address = f"/alerts/{paid.pk}/"
    client.get(address)
    old = {"text": "the ledger", "csrfmiddlewaretoken": "a" * 64}
    answer = client.post(f"{address}comment/", old, headers={"origin": "http://testserver"})
    page = answer.content.decode()
    assert answer.status_code == 403
    assert "nothing was done" in page
    assert "you logged in or out in another window" in page
    assert "What you typed is in its fields again." in page
    assert f'href="{address}"' in page
    assert "default-src" in answer["Content-Security-Policy"]
    assert "the ledger</textarea>" in client.get(address).content.decode()


def test_what_another_site_sends_is_put_into_no_field(paid: Alert) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.create_superuser("root"))
    address = f"/alerts/{paid.pk}/"
    client.get(address)
    answer = client.post(f"{address}comment/", {"text": "evil"}, headers={"origin": "https://evil.example"})
    page = answer.content.decode()
    assert answer.status_code == 403
    assert "came from https://evil.example" in page
    assert "CSRF_TRUSTED_ORIGINS" in page
    assert "evil</textarea>" not in client.get(address).content.decode()
    # Nor does it end anybody's session: its request comes without our cookies.
    alone = Client(enforce_csrf_checks=True)
    answer = alone.post(f"{address}comment/", {"text": "evil"}, headers={"origin": "https://evil.example"})
    assert (answer.status_code, "sessionid" in answer.cookies) == (403, False)


@pytest.mark.parametrize("path", ["/alerts/login/", "/alerts/logout/"])
def test_to_log_in_and_out_needs_a_token_too_and_says_so(path: str, db: None) -> None:
    answer = Client(enforce_csrf_checks=True).post(path, {"username": "root"})
    assert answer.status_code == 403
    assert "no cookie of this site" in answer.content.decode()


def test_somebody_who_is_locked_out_reads_for_how_long(rf: RequestFactory, settings: Settings) -> None:
    settings.AXES_COOLOFF_TIME = timedelta(minutes=15)
    answer = locked_out(rf.post("/alerts/login/", {"username": "root"}))
    page = answer.content.decode()
    assert answer.status_code == 429
    assert "Nobody can log in as root from here for now" in page
    assert "Wait 15 min from the last try" in page
    assert "default-src" in answer["Content-Security-Policy"]


def test_no_foreign_code_runs_in_any_page(looker: Client, paid: Alert) -> None:
    for path in (NOW, f"/alerts/{paid.pk}/", "/alerts/login/"):
        answer = looker.get(path)
        policy = answer["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        page = answer.content.decode()
        assert " style=" not in page
        assert "<script>" not in page
        assert " onclick" not in page


def test_text_of_an_event_is_text(looker: Client, paid: Alert) -> None:
    Alert.objects.update(message="<script>alert(1)</script>", title="<b>bold</b>", context={"<i>": "</dd>"})
    for path in (NOW, f"/alerts/{paid.pk}/"):
        page = looker.get(path).content.decode()
        assert "<script>alert" not in page
        assert "<b>bold" not in page
        assert "<i>" not in page


@pytest.mark.parametrize("query", ["?q=%00", "?from=%00", "?customer=%ED%A0%80"])
def test_what_no_database_holds_is_refused_and_not_asked(looker: Client, query: str) -> None:
    assert looker.get(f"{NOW}{query}").status_code in (200, 400)


@pytest.mark.parametrize(
    "query", ["?from=99999999999", "?from=-1", "?severity=odd", "?mode=x", "?state=resolved&from=x", "?q=%25'\""]
)
def test_odd_addresses_are_taken_for_what_they_are(looker: Client, query: str, paid: Alert) -> None:
    assert looker.get(f"{NOW}{query}").status_code == 200
    assert looker.get(f"/alerts/{paid.pk}/{query}").status_code == 200


def test_numbers_that_no_alert_has(looker: Client) -> None:
    for number in (0, 9, 10**30):
        answer = looker.get(f"/alerts/{number}/")
        assert answer.status_code == 404
        assert "See what is open" in answer.content.decode()


def test_the_groups_hold_three_different_rights_and_are_left_alone_once_made(db: None) -> None:
    make()
    groups = {group.name: group for group in Group.objects.filter(name__in=GROUPS)}
    assert len(groups) == 3
    rights = [groups[name].permissions.count() for name in GROUPS]
    assert rights[0] < rights[1] < rights[2]
    groups["Alerts: act"].permissions.clear()
    make()
    assert groups["Alerts: act"].permissions.count() == 0


def test_times_are_in_the_viewers_zone_with_the_exact_one_beside(looker: Client, paid: Alert) -> None:
    looker.cookies["alerts_zone"] = "Asia/Tokyo"
    page = looker.get(f"/alerts/{paid.pk}/").content.decode()
    assert "Times are in Asia/Tokyo." in page
    assert "21:00 JST" in page
    assert 'title="2026-11-21 12:00:00 UTC"' in page
    for odd in ("../../etc/passwd", "Nowhere", "Europe", "x" * 5000):
        looker.cookies["alerts_zone"] = odd
        assert "Times are in UTC." in looker.get(f"/alerts/{paid.pk}/").content.decode()


def test_no_context_processor_of_the_site_is_needed(settings: Settings, looker: Client, paid: Alert) -> None:
    settings.TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
    for path in (NOW, f"/alerts/{paid.pk}/", "/alerts/login/", "/alerts/log/"):
        assert looker.get(path).status_code == 200


def test_the_root_leads_to_the_pages(client: Client) -> None:
    assert client.get("/")["Location"] == reverse("notifier_pages:now")
