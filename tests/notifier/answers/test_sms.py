"""Answers by SMS over HTTP, signed as Twilio signs them, to pages that were really sent."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import count

import pytest
import time_machine
from django.test import Client
from pytest_django import Settings
from twilio.request_validator import RequestValidator

from notifier import api
from notifier.answers.sms_words import STOP
from notifier.channels import memory
from notifier.config.conf import get_policy
from notifier.delivery import own_alerts
from notifier.delivery.courier import Courier
from notifier.models import Alert, Heard, LogEntry, Notification, Silence, Target
from notifier.outbox import budget
from tests.fakes.described import wrong_twiml
from tests.fakes.twilio import FakeTwilio
from tests.notifier.scene import NOON

TOKEN = "twilio-token-of-these-tests"
URL = "https://shop.example/notifier/twilio/answers/"
PATH = "/notifier/twilio/answers/"
ANA, BEN = "+4915112345678", "+4915112345679"
STRANGER = "+4915199999999"
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
_sids = count(1)
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def twilio(settings: Settings) -> Iterator[FakeTwilio]:
    with FakeTwilio() as fake:
        settings.TWILIO_ACCOUNT_SID = "AC" + "0" * 32
        settings.TWILIO_AUTH_TOKEN = TOKEN
        settings.TWILIO_FROM = "+15005550006"
        settings.TWILIO_API_URL = fake.url
        settings.TWILIO_INBOUND = URL
        settings.NOTIFIER = {
            "CHANNELS": {
                "oncall": {"BACKEND": "sms", "TO": [ANA, BEN]},
                "chat": {"BACKEND": "memory", "TO": ["chat"]},
            },
            "PEOPLE": {"ana": {"NAME": "Ana", "ADDRESSES": {"sms": ANA}}},
            "ONCALL": {"payments": {"HANDOVER": "Mon 09:00", "START": "2026-01-05", "MEMBERS": ["ana"]}},
            "ROUTES": {"critical": ["oncall", "chat"], "error": ["chat"], "*": []},
            "LIMITS": {"oncall": {"RATES": []}},
            "TZ": "UTC",
        }
        yield fake


@pytest.fixture(autouse=True)
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOON, tick=False) as travelled:
        yield travelled


def work(*aliases: str) -> None:
    """A worker's rounds, until nothing more goes."""
    for alias in aliases or ("oncall", "chat"):
        courier = Courier(alias, start=lambda _name, call: call())
        for _ in range(6):
            courier.step()
        courier.close(1)


def paged(key: str = "ledger", title: str = "The ledger is closed") -> Alert:
    """An alert of which Ana and Ben have an SMS."""
    api.alert(title, key=key, severity="critical")
    work()
    return Alert.objects.latest("pk")


def texts(twilio: FakeTwilio, to: str = ANA) -> list[str]:
    return [message["body"] for message in twilio.messages if message["to"] == to]


def post(fields: dict[str, str], *, signature: str | None = None) -> tuple[int, str]:
    signed = RequestValidator(TOKEN).compute_signature(URL, fields) if signature is None else signature
    response = Client().post(PATH, fields, headers={"X-Twilio-Signature": signed})
    assert response.status_code != 200 or not wrong_twiml(response.content.decode())
    found = re.search(r"<Message>(.*)</Message>", response.content.decode(), re.DOTALL)
    return response.status_code, html.unescape(found[1]) if found else ""


def send(text: str, sender: str = ANA, *, sid: str = "", **more: str) -> str:
    """What somebody is answered; "" for nothing."""
    fields = {"MessageSid": sid or f"SM{next(_sids):032x}", "From": sender, "To": "+15005550006", "Body": text, **more}
    status, said = post(fields)
    assert status == 200
    return said


def test_a_page_says_how_to_answer_it_and_the_answer_ends_the_reminders(twilio: FakeTwilio) -> None:
    alert = paged()
    assert "Reply 1a=ack." in texts(twilio)[0]
    assert f"Alert {alert.pk}." in texts(twilio)[0]

    assert send("1a") == f"Alert {alert.pk}: acknowledged until 20:00 UTC."
    alert.refresh_from_db()
    assert alert.acknowledged_by == "Ana"
    work()
    assert len(texts(twilio)) == 1  # she knows
    assert texts(twilio, BEN)[1].startswith("Ana acknowledged it by SMS, until 20:00 UTC. CRIT The ledger is closed.")
    assert memory.outbox[-1].message.news == "Ana acknowledged it by SMS, until 20:00 UTC"


def test_several_at_once_each_by_its_number(twilio: FakeTwilio) -> None:
    ledger, payouts = paged(), paged("payouts", "Payouts are late")
    said = send('"1A", 2c')
    assert said == f"Alert {ledger.pk}: acknowledged until 20:00 UTC. Alert {payouts.pk}: resolved."
    assert list(LogEntry.objects.order_by("pk").values_list("alert", "verb")) == [
        (ledger.pk, "acknowledge"),
        (payouts.pk, "resolve"),
    ]


def test_without_a_number_it_is_the_only_one_that_is_open(twilio: FakeTwilio) -> None:
    paged()
    assert "acknowledged until" in send("ack")
    paged("payouts", "Payouts are late")
    assert send("a") == "Which one? 1: The ledger is closed. 2: Payouts are late. Or: all."
    assert send("all").count("lert") == 2
    assert Alert.objects.filter(acknowledged_until=None).count() == 0


def test_silence_and_escalate_and_how_it_stands(twilio: FakeTwilio) -> None:
    alert = paged()
    silenced = send("1s 2h")
    assert silenced == f"Alert {alert.pk}: its kind is silenced until 14:00 UTC, silence {Silence.objects.get().pk}."
    assert send("1e") == f"Alert {alert.pk}: no step of escalation is left."
    assert send("1") == f"Alert {alert.pk}: open since 12:00 UTC, nobody has acknowledged it."
    assert send("oncall").startswith("payments: Ana until ")
    assert send("help").startswith("1a: I have alert 1.")


def test_an_old_number_says_what_became_of_it_and_by_whom(twilio: FakeTwilio, clock: time_machine.Traveller) -> None:
    alert = paged()
    send("1c", BEN)
    clock.shift(2 * HOUR)
    assert send("1a") == f"Alert {alert.pk}: over since 12:00 UTC, by +49...79."
    assert send("1") == f"Alert {alert.pk}: over since 12:00 UTC, by +49...79."


def test_a_number_means_only_what_was_sent_with_it(twilio: FakeTwilio, settings: Settings) -> None:
    first, second = paged(), paged("payouts", "Payouts are late")
    Notification.objects.filter(target__address=BEN, alert=first).update(code=0)
    assert send("1a", BEN) == "1: no such number was sent to you."
    assert send("2a", BEN) == f"Alert {second.pk}: acknowledged until 20:00 UTC."
    first.refresh_from_db()
    assert first.acknowledged_until is None


def test_numbers_stay_small_and_are_used_again_when_nobody_asks_any_more(
    twilio: FakeTwilio, clock: time_machine.Traveller
) -> None:
    for number in (1, 2):
        paged(f"key {number}", f"Trouble {number}")
    send("1c")
    work()
    paged("key 3", "Trouble 3")
    assert "Reply 3a=ack." in texts(twilio)[-1]
    clock.shift(timedelta(days=8))
    paged("key 4", "Trouble 4")
    assert "Reply 1a=ack." in texts(twilio)[-1]


@pytest.mark.parametrize("word", sorted(STOP))
def test_a_word_of_the_carriers_sets_the_number_aside_with_an_alert(twilio: FakeTwilio, word: str) -> None:
    paged()
    assert send(word.title()) == ""
    target = Target.objects.get(address=ANA)
    assert target.dead_since == NOON
    assert target.dead_detail == "21610: the recipient has answered STOP"
    assert Target.objects.get(address=BEN).dead_since is None
    own_alerts.tell_of_dead_targets(NOON)
    assert Alert.objects.filter(title__contains="the recipient has answered STOP").exists()
    assert send("START") == ""
    target.refresh_from_db()
    assert target.dead_since is None


def test_twilios_own_word_on_it_counts(twilio: FakeTwilio) -> None:
    paged()
    assert send("arrêt", OptOutType="STOP") == ""
    assert Target.objects.get(address=ANA).dead_since == NOON
    assert send("aide", OptOutType="HELP") == ""  # Twilio has answered


def test_a_stranger_gets_no_answer(twilio: FakeTwilio) -> None:
    paged()
    for text in ("1a", "help", "all", "hello"):
        assert send(text, STRANGER) == ""
    assert not LogEntry.objects.exists()
    assert not Heard.objects.filter(sender=STRANGER).exists()


def test_errors_are_answered_five_times_an_hour(twilio: FakeTwilio, clock: time_machine.Traveller) -> None:
    paged()
    said = [send("I am away and read this next week") for _ in range(8)]
    assert [bool(one) for one in said] == [True] * 5 + [False] * 3
    assert said[0].startswith("Not understood, nothing was done.")
    assert send("1a") != ""
    clock.shift(HOUR + MINUTE)
    assert send("what?") != ""


def test_two_machines_that_answer_each_other_come_to_an_end(twilio: FakeTwilio, clock: time_machine.Traveller) -> None:
    """Each asks what can be understood: how an alert stands."""
    alert = paged()
    said = [send("1") for _ in range(40)]
    assert [bool(one) for one in said] == [True] * 30 + [False] * 10
    assert send("1a") == ""
    alert.refresh_from_db()
    assert alert.acknowledged_by == "Ana", "what is asked is done, answered or not"
    assert send("1", BEN) != "", "of each number its own"
    clock.shift(HOUR + MINUTE)
    assert send("1") != ""


def test_answers_count_in_the_budget_of_their_channel(twilio: FakeTwilio, settings: Settings) -> None:
    limits = {"RATES": [], "MONEY_PER_DAY": "1.00", "PRICE_PER_PART": "0.10"}
    settings.NOTIFIER = settings.NOTIFIER | {"LIMITS": {"oncall": limits}}
    paged()
    policy = get_policy()
    assert budget.messages_left(policy.channels["oncall"], "UTC", NOON) == 4, "two of 0.10 each; one may have two parts"
    send("what?")  # an answer of two parts
    assert budget.messages_left(policy.channels["oncall"], "UTC", NOON) == 3
    said = [send("1") for _ in range(6)]
    assert [bool(one) for one in said] == [True] * 5 + [False]
    assert send("1a") == ""
    assert Alert.objects.get().acknowledged_by == "Ana"


def test_no_answer_makes_a_page_wait(twilio: FakeTwilio, settings: Settings) -> None:
    settings.NOTIFIER = settings.NOTIFIER | {"LIMITS": {"oncall": {"RATES": ["1/1m"]}}}
    send("oncall")
    paged()
    assert len(texts(twilio)) == 1


def test_the_way_back_is_proved_without_an_alert_and_with_one(twilio: FakeTwilio) -> None:
    assert send("Test") == "The way back works: Ana is known here, and may answer alerts."
    assert send("test", STRANGER) == ""
    alert = paged()
    assert send("1t") == f"Alert {alert.pk}: the way back works. Nothing was changed."
    assert LogEntry.objects.values_list("verb", "who", "through").get() == ("test", "Ana", "sms")
    work()
    assert len(texts(twilio)) == len(texts(twilio, BEN)) == 1, "nobody is told"


# --- in which order they were sent nobody says ----------------------------------------------------------------------


@pytest.mark.parametrize(("given_away", "why"), [("1b", "you took it back"), ("1e", "you handed it on")])
def test_an_acknowledgement_that_may_be_older_than_what_gave_it_away_is_asked_for_again(
    twilio: FakeTwilio, clock: time_machine.Traveller, settings: Settings, given_away: str, why: str
) -> None:
    route = {"name": "all", "to": ["oncall"], "escalate": [{"after": "10m", "to": ["chat"]}]}
    settings.NOTIFIER = settings.NOTIFIER | {"ROUTES": [route]}
    alert = paged()
    send(given_away)
    clock.shift(timedelta(seconds=5))
    again = "just now, and this may be older. Nothing was done; send it again if not."
    assert send("1a") == f"Alert {alert.pk}: {why} {again}"
    alert.refresh_from_db()
    assert alert.acknowledged_until is None
    clock.shift(timedelta(seconds=5))
    assert "acknowledged until" in send("1a")


def test_after_a_minute_or_from_another_number_it_counts_at_once(
    twilio: FakeTwilio, clock: time_machine.Traveller
) -> None:
    paged()
    send("1a")
    clock.shift(MINUTE)
    send("1b")
    clock.shift(timedelta(seconds=5))
    assert "acknowledged until" in send("1a", BEN)
    send("1b", BEN)
    clock.shift(MINUTE + timedelta(seconds=1))
    assert "acknowledged until" in send("1a")


def test_what_has_failed_again_is_not_ended_by_who_has_not_heard_of_it(
    twilio: FakeTwilio, clock: time_machine.Traveller
) -> None:
    alert = paged()
    api.resolve("ledger")
    work()
    clock.shift(timedelta(minutes=2))
    api.alert("The ledger is closed", key="ledger", severity="critical")
    clock.shift(timedelta(seconds=1))
    assert send("1c") == f"Alert {alert.pk}: it has failed again since then, and is open."
    clock.shift(timedelta(seconds=1))
    assert send("1c") == f"Alert {alert.pk}: resolved.", "they say it once more"


def test_the_same_message_twice_is_done_once(twilio: FakeTwilio) -> None:
    alert = paged()
    first = send("1a", sid="SMx")
    api.resolve("ledger")
    assert send("1a", sid="SMx") == first
    assert LogEntry.objects.count() == 1
    assert Alert.objects.get(pk=alert.pk).resolved_at is not None


@pytest.mark.parametrize("signature", ["", "AAAA", "forged" * 5])
def test_a_forged_message_changes_nothing(twilio: FakeTwilio, signature: str) -> None:
    paged()
    fields = {"MessageSid": "SM1", "From": ANA, "Body": "1a"}
    assert post(fields, signature=signature) == (403, "")
    signed = RequestValidator(TOKEN).compute_signature(URL, fields)
    assert post(fields | {"Body": "1c"}, signature=signed) == (403, "")
    assert not LogEntry.objects.exists()
    assert not Heard.objects.exists()


def test_what_no_database_can_store_and_what_no_provider_sends(twilio: FakeTwilio) -> None:
    assert post({"MessageSid": "SM1", "From": ANA, "Body": "1a\0"})[0] == 400
    assert post({"MessageSid": "SM1", "Body": "1a"})[0] == 400
    assert Client().get(PATH).status_code == 405


def test_where_nobody_can_answer_there_is_no_number_and_no_door(twilio: FakeTwilio, settings: Settings) -> None:
    settings.TWILIO_INBOUND = ""
    paged()
    assert "Reply" not in texts(twilio)[0]
    assert post({"MessageSid": "SM1", "From": ANA, "Body": "1a"})[0] == 404


def test_when_the_answer_cannot_be_stored_nothing_has_changed(
    twilio: FakeTwilio, monkeypatch: pytest.MonkeyPatch
) -> None:
    paged()

    def broken(*_: object, **__: object) -> datetime:
        raise OSError("the disk is full")

    monkeypatch.setattr("notifier.flow.heard.end", broken)
    assert post({"MessageSid": "SM1", "From": ANA, "Body": "1a"}) == (503, "")
    assert not LogEntry.objects.exists()
    assert Alert.objects.get().acknowledged_until is None
