"""A handful of messages is read one by one; beyond it one message lists what there is, and is kept up to date."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from notifier.channels import memory
from notifier.config.conf import get_policy
from notifier.facts import Message, Receipt, Severity
from notifier.judge import throttle
from notifier.judge.throttle import HANDFUL, MAIL, Window, folds
from notifier.models import Alert, Notification
from tests.notifier.conftest import Configure
from tests.notifier.rows import a_notification, an_alert
from tests.notifier.scene import MINUTE, NOON, SECOND, Scene, row_of

pytestmark = pytest.mark.django_db


class Editing(memory.Memory):
    """As Slack: news of a message is edited into it."""

    kind = "editing"
    can_edit = True
    can_fold = True
    HANDFUL = throttle.HANDFUL


class Mail(memory.Memory):
    """As mail: nothing can be edited."""

    kind = "mail"
    can_fold = True
    HANDFUL = throttle.MAIL[0]

    def send(self, address: str, message: Message) -> Receipt:
        return super().send(address, message)


@pytest.fixture
def chat(configure: Configure, scene: Scene) -> Scene:
    configure(
        channels={"chat": {"BACKEND": f"{__name__}.Editing", "TO": ["chat"]}}, limits={"chat": {"RATES": ["1/1s"]}}
    )
    return scene


@pytest.fixture
def mailbox(configure: Configure, scene: Scene) -> Scene:
    configure(channels={"chat": {"BACKEND": f"{__name__}.Mail", "TO": ["chat"]}}, limits={"chat": {"RATES": ["5/15m"]}})
    return scene


def several(scene: Scene, number: int, **changes: Any) -> list[Alert]:
    return [scene.alert(event_type=f"type.{next(_kinds)}", **changes) for _ in range(number)]


_kinds = iter(range(10**6))


# --- the decision -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("waiting", "sent_ago", "handful", "together"),
    [
        pytest.param(5, [], HANDFUL, False, id="a handful"),
        pytest.param(6, [], HANDFUL, True, id="more than a handful"),
        pytest.param(1, [5] * 9, HANDFUL, False, id="one is no list"),
        pytest.param(2, [10, 20, 30, 59], HANDFUL, True, id="with those of the last minute"),
        pytest.param(2, [60, 70, 80, 90], HANDFUL, False, id="those before it do not count"),
        pytest.param(2, [61, 300, 600, 899], MAIL[0], True, id="for mail a quarter of an hour"),
    ],
)
def test_what_goes_together(waiting: int, sent_ago: list[int], handful: Window, together: bool) -> None:
    assert folds(waiting, [NOON - timedelta(seconds=ago) for ago in sent_ago], handful, NOON) is together


@given(st.integers(1, 50), st.lists(st.integers(0, 120), max_size=20))
def test_one_more_that_waits_never_makes_it_one_by_one(waiting: int, ago: list[int]) -> None:
    history = [NOON - timedelta(seconds=seconds) for seconds in ago]
    assert folds(waiting + 1, history, HANDFUL, NOON) or not folds(waiting, history, HANDFUL, NOON)


# --- a channel that can edit --------------------------------------------------------------------------------------


def test_a_handful_comes_one_by_one(chat: Scene) -> None:
    several(chat, 5)
    sent = chat.deliver() + chat.pass_time(10 * SECOND, SECOND)
    assert len(sent) == 5
    assert not Notification.objects.filter(listed=True).exists()


def test_what_waited_for_an_hour_comes_as_one_message_that_lists_it_worst_first(chat: Scene) -> None:
    for number in range(600):
        a_notification(
            an_alert(event_type=f"type.{number}", severity=Severity.ERROR, count=1),
            "chat:chat",
            due_at=NOON,
            reason="first",
        )
    worst = an_alert(event_type="payout.failed", severity=Severity.CRITICAL, count=1)
    a_notification(worst, "chat:chat", due_at=NOON, reason="first")

    with CaptureQueriesContext(connection) as queries:
        sent = chat.deliver()
        sent += chat.pass_time(5 * SECOND, SECOND)

    [listed] = sent
    first = listed.message
    assert first.title == "601 alerts"
    assert f"Alert {worst.pk} critical: payout.failed" in first.summary[0]
    assert "and 581 more: alerts " in first.summary[-1]
    assert Notification.objects.filter(told_seq=0).count() == 0
    assert len(queries) < 900, "a statement for each row that is written, and few beside"


def test_a_trickle_beyond_a_handful_comes_as_a_list_a_minute(chat: Scene) -> None:
    arrived: list[tuple[datetime, str]] = []
    for _ in range(130):
        several(chat, 1)
        arrived += [(chat.now, one.message.title) for one in chat.deliver()]
        chat.clock.step(SECOND)

    assert len(arrived) <= 3 * 6
    times = Notification.objects.filter(told_at__isnull=False).values_list("told_at", "alert__opened_at")
    assert max(told - opened for told, opened in times if told) <= MINUTE
    assert Notification.objects.filter(told_seq=0).count() <= 60


def test_news_of_a_list_is_edited_into_it_and_says_what_changed(chat: Scene) -> None:
    alerts = several(chat, 8)
    [listed] = chat.deliver()
    assert {row.thread for row in Notification.objects.all()} == {listed.receipt.thread}
    chat.fail(event_type=alerts[2].event_type)
    chat.fail(event_type=alerts[3].event_type)
    chat.pass_time(4 * MINUTE)

    [news] = chat.pass_time(2 * MINUTE, 10 * SECOND)

    assert news.message.thread == listed.receipt.thread
    assert news.message.title == "8 alerts"
    assert news.message.news.startswith("2 alerts changed: ")
    assert len([line for line in news.message.summary if line.startswith("Alert ")]) == 8
    assert row_of(alerts[2]).told_seq == row_of(alerts[3]).told_seq == 2


def test_a_list_is_over_when_all_in_it_are(chat: Scene) -> None:
    alerts = several(chat, 8)
    events = list(Alert.objects.values_list("occurrences__event_id", flat=True))
    chat.deliver()
    chat.clock.step(MINUTE)
    for event in events[:7]:
        chat.recover(event)
    [some] = chat.deliver()
    chat.recover(events[7])
    chat.clock.step(MINUTE)
    [rest] = chat.deliver()

    assert (str(some.message.reason), some.message.title) == ("update", "8 alerts, 7 of them resolved")
    assert (str(rest.message.reason), rest.message.title) == ("resolved", "8 alerts resolved")
    assert all(row_of(alert).told_resolved for alert in alerts)


def test_one_of_a_list_that_becomes_critical_is_told_at_once(chat: Scene) -> None:
    alerts = several(chat, 8)
    [listed] = chat.deliver()
    chat.clock.step(2 * SECOND)
    chat.fail(event_type=alerts[3].event_type, will_retry=False)
    [raised] = chat.deliver()

    assert (str(raised.message.reason), raised.message.severity) == ("raised", Severity.CRITICAL)
    assert raised.message.thread == listed.receipt.thread
    assert raised.message.news.startswith(f"1 alert changed: {alerts[3].pk} critical: ")


# --- mail ---------------------------------------------------------------------------------------------------------


def test_a_storm_of_alerts_is_a_few_mails(mailbox: Scene) -> None:
    sent = []
    for _ in range(60):
        several(mailbox, 3)
        sent += mailbox.deliver()
        mailbox.clock.step(SECOND)
    sent += mailbox.pass_time(16 * MINUTE)

    assert len(sent) <= 7
    assert Notification.objects.filter(told_seq=0).count() == 0
    assert sent[-1].message.title.endswith(" alerts")


def test_a_new_critical_does_not_wait_for_mails_next_slot(configure: Configure, scene: Scene) -> None:
    configure(channels={"chat": {"BACKEND": f"{__name__}.Mail", "TO": ["chat"]}})
    limits = get_policy().channels["chat"].limits
    object.__setattr__(limits, "windows", throttle.MAIL)
    object.__setattr__(limits, "critical", throttle.MAIL_CRITICAL)
    for _ in range(5):
        several(scene, 1)
        scene.deliver()
    several(scene, 100)
    assert scene.pass_time(2 * MINUTE) == []
    worst = scene.alert(event_type="payout.failed", will_retry=False)

    [arrived] = scene.pass_time(MINUTE + SECOND, SECOND)

    assert worst.severity == Severity.CRITICAL
    assert arrived.message.title == "101 alerts"
    assert f"Alert {worst.pk} critical: payout.failed" in arrived.message.summary[1]
