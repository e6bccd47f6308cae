"""What people read, of alerts that lived: who must not be named, which money is none, and how it ends."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from alerts_runtime.redaction.masking import masked, named
from notifier import api
from notifier.channels import memory
from notifier.delivery.tick import resolve_overdue
from notifier.facts import Money, Reason
from notifier.judge.calendar import Period
from notifier.judge.match import Matcher, matches, mismatch
from notifier.messages import digest
from notifier.models import Alert, Attempt, Notification
from notifier.models import Target as TargetRow
from tests.notifier.conftest import Configure
from tests.notifier.scene import HOUR, MINUTE, Scene, refused, row_of
from tests.notifier.test_digest import PLAN

pytestmark = pytest.mark.django_db
NUMBER = "+4915112345642"


# --- nobody's number


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        (NUMBER, "+49…42"),
        ("+1555", "+…"),
        ("ada.lovelace@example.com", "a…@example.com"),
        ("a@example.com", "a…@example.com"),
        ("#payments", "#payments"),
        ("U0123ABCD", "U01…CD"),
        ("", "…"),
    ],
)
def test_an_address_can_be_recognised_and_not_used(address: str, shown: str) -> None:
    assert masked(address) == shown


def test_a_recipient_is_named_by_channel_and_mask() -> None:
    assert (named("oncall", NUMBER), named("chat", "chat")) == ("oncall (+49…42)", "chat")


@pytest.fixture
def diverted(scene: Scene, configure: Configure) -> list[memory.Sent]:
    """A page that could not reach a number and went to a channel with many readers."""
    channels: dict[str, Any] = {
        "oncall": {"BACKEND": "memory", "TO": NUMBER, "FAILOVER": "chat"},
        "chat": {"BACKEND": "memory", "TO": "#payments"},
    }
    configure(channels=channels, routes={"*": ["oncall"]})
    memory.fail_next(refused(dead=True))
    scene.fail()
    return scene.deliver()


def test_who_stands_in_learns_no_number(diverted: list[memory.Sent]) -> None:
    [sent] = diverted
    assert "Sent here instead of oncall (+49…42): set aside: gone: not taken" in sent.message.footer
    texts = [repr(sent.message), *Notification.objects.values_list("instead_of", flat=True)]
    texts += Attempt.objects.values_list("text", flat=True)
    assert not [text for text in texts if NUMBER in text or NUMBER.lstrip("+") in text]


def test_pages_of_the_admin_and_logs_show_no_number(
    diverted: list[memory.Sent], client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    reader = User.objects.create_user("reader", is_staff=True)
    reader.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client.force_login(reader)
    pages = [reverse(f"admin:swa_notifier_{name}_changelist") for name in ("target", "attempt", "alert", "digest")]
    pages += [reverse("admin:swa_notifier_target_change", args=[row.pk]) for row in TargetRow.objects.all()]
    pages += [reverse("admin:swa_notifier_alert_change", args=[row.pk]) for row in Alert.objects.all()]
    pages += [reverse("admin:swa_notifier_attempt_change", args=[row.pk]) for row in Attempt.objects.all()]
    for page in pages:
        answer = client.get(page)
        assert answer.status_code == 200
        assert NUMBER.lstrip("+") not in answer.content.decode(), page
    assert NUMBER.lstrip("+") not in caplog.text

    reader.user_permissions.add(Permission.objects.get(codename="change_target"))
    client.force_login(User.objects.get(pk=reader.pk))
    assert NUMBER in client.get(pages[0]).content.decode(), "whoever may change it sees it"


def test_the_budgets_last_line_names_no_number(scene: Scene, configure: Configure) -> None:
    channels = {"chat": {"BACKEND": "memory"}, "oncall": {"BACKEND": "memory", "TO": NUMBER}}
    limits = {"chat": {"MESSAGES_PER_DAY": 1, "OVERFLOW": "oncall"}}
    configure(channels=channels, routes={"*": ["chat"]}, limits=limits)
    scene.fail()
    [sent] = scene.deliver("chat")
    assert "Further pages go to oncall (+49…42)." in sent.message.text
    assert NUMBER not in repr(sent.message)


# --- money that is none, and currencies


def test_test_mode_is_said_in_every_form(scene: Scene) -> None:
    scene.fail(livemode=False)
    [sent] = scene.deliver()
    message = sent.message
    assert message.short.startswith("ERROR TEST MODE invoice.paid:")
    assert message.subject.endswith("[test mode] invoice.paid cannot be processed: a bug in the handler (KeyError)")
    assert message.title.startswith("[test mode] ")
    assert "EUR 1,250.00 of test money" in message.text
    assert "at risk" not in message.text + message.short + message.html


def test_a_digest_never_adds_test_money_to_money(scene: Scene) -> None:
    live = scene.alert(money=Money(100, "eur"))
    scene.alert(money=Money(100_000_000, "eur"), livemode=False)
    period = Period(scene.now - HOUR, scene.now + MINUTE, "")
    data = digest.collect(PLAN, row_of(live).target_id, period, scene.now)
    assert (data.at_risk, data.test_money) == ((Money(100, "eur"),), (Money(100_000_000, "eur"),))
    message = digest.render_digest(data)
    assert "EUR 1.00 at risk" in message.subject
    assert "1,000,001" not in message.text
    assert "test mode: EUR 1,000,000.00 of test money, at no risk" in message.text


# --- how it ends, and what changes while it lasts


def test_a_forgotten_alert_is_not_told_as_resolved(scene: Scene) -> None:
    alert = scene.alert()
    scene.deliver()
    scene.clock.step(timedelta(days=30, minutes=1))
    resolve_overdue(scene.now)
    [sent] = scene.deliver()
    message = sent.message
    assert (message.reason, message.forgotten) == (Reason.RESOLVED, True)
    assert message.title.startswith("No longer followed after 30 days")
    assert "Forgotten after 30 days without news: nobody said it was fixed" in message.news
    assert "EUR 1,250.00 not recovered" in message.news
    assert message.short.startswith("CLOSED invoice.paid:")
    assert "esolved" not in message.text
    alert.refresh_from_db()
    assert alert.resolved_how == "forgotten after 30 days"


def test_what_a_site_says_anew_is_told_with_the_numbers_of_now(scene: Scene) -> None:
    api.alert("100 events wait", key="watch.backlog", once="1", now=scene.now)
    scene.deliver()
    scene.clock.step(MINUTE)
    api.alert("4,000 events wait", key="watch.backlog", hint="Start more workers.", once="2", now=scene.now)
    [sent] = scene.pass_time(5 * MINUTE)
    assert sent.message.title == "4,000 events wait"
    assert sent.message.action == "Start more workers."


def test_the_title_of_a_webhooks_alert_stays(scene: Scene) -> None:
    alert = scene.alert()
    scene.fail(message="another")
    assert Alert.objects.get(pk=alert.pk).title == alert.title


def test_a_mails_first_line_says_how_it_stands_and_its_subject_stays(scene: Scene) -> None:
    alert = scene.alert(event_id="evt_a")
    [first] = scene.deliver()
    scene.fail(event_id="evt_a")
    sent = scene.pass_time(6 * MINUTE)[0]
    assert first.message.text.split("\n")[0] == "Error · 1 event, EUR 1,250.00 at risk"
    assert sent.message.text.split("\n")[0] == "Error · 1 event, EUR 1,250.00 at risk · 1 more in 5 min"
    assert first.message.subject.startswith(f"Alert {alert.pk}: invoice.paid cannot be processed")
    assert sent.message.subject == first.message.subject
    assert row_of(alert).told_seq == 2


@pytest.mark.parametrize("order", [(1, 0), (0, 1)])
def test_a_large_amount_of_yen_hides_no_euros(scene: Scene, order: tuple[int, int]) -> None:
    monies = Money(1_000_000, "jpy"), Money(900_000, "eur")
    alert = [scene.alert(money=monies[number]) for number in order][-1]
    scene.fail(money=Money(5, "eur"))
    scene.fail(money=None)
    alert.refresh_from_db()
    assert alert.amounts == {"jpy": 1_000_000, "eur": 900_000}
    subject = alert.subject
    assert matches(Matcher(min_amounts={"eur": 900_000}), subject)
    assert matches(Matcher(min_amounts={"jpy": 1_000_000}), subject)
    assert not matches(Matcher(min_amounts={"eur": 900_001}), subject)
    assert not matches(Matcher(min_amounts={"usd": 1}), subject)
    assert str(mismatch(Matcher(min_amounts={"usd": 1}), subject)) == "amount is EUR 9,000.00 and JPY 1,000,000"


def test_what_reopens_counts_its_amounts_anew(scene: Scene) -> None:
    alert = scene.alert(event_id="evt_a", money=Money(1_000_000, "jpy"))
    scene.recover("evt_a")
    scene.clock.step(MINUTE)
    scene.fail(event_id="evt_b", money=Money(700, "eur"))
    alert.refresh_from_db()
    assert (alert.amounts, alert.amount, alert.currency) == ({"eur": 700}, 700, "eur")
