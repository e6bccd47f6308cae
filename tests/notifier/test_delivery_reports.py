"""Reports of Twilio and of a mail provider over HTTP, with real signatures, and what becomes of the alert."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
import time_machine
from django.test import Client
from django.utils import timezone
from pytest_django import Settings
from twilio.request_validator import RequestValidator

from notifier import api
from notifier.channels import memory
from notifier.config.conf import get_policy
from notifier.delivery.courier import Courier
from notifier.facts import Receipt, Result
from notifier.judge.delivery_status import Report, report_of
from notifier.models import Alert, Attempt, Digest, Notification, Target
from notifier.outbox import finishing, holding, reports
from tests.fakes.twilio import FakeTwilio
from tests.notifier.rows import a_target

TOKEN = "twilio-token-of-these-tests"
CALLBACK = "https://shop.example/notifier/twilio/status/"
PHONE = "+4915112345678"
SECRET = "anymail:password-of-these-tests"
HOUR = timedelta(hours=1)
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def twilio(settings: Settings) -> Iterator[FakeTwilio]:
    memory.clear()
    with FakeTwilio() as fake:
        settings.TWILIO_ACCOUNT_SID = "AC" + "0" * 32
        settings.TWILIO_AUTH_TOKEN = TOKEN
        settings.TWILIO_FROM = "+15005550006"
        settings.TWILIO_API_URL = fake.url
        settings.TWILIO_STATUS_CALLBACK = CALLBACK
        settings.EMAIL_BACKEND_PATH = "anymail.backends.postmark.EmailBackend"
        settings.ANYMAIL = {"WEBHOOK_SECRET": SECRET}
        settings.NOTIFIER = {
            "CHANNELS": {
                "oncall": {"BACKEND": "sms", "TO": [PHONE], "FAILOVER": "chat"},
                "chat": {"BACKEND": "memory", "TO": ["chat"]},
                "mail": {"BACKEND": "memory", "TO": ["mail"], "FAILOVER": "chat"},
            },
            "ROUTES": {"critical": ["oncall"], "error": ["mail"], "*": []},
            "LIMITS": {"oncall": {"RATES": []}},
        }
        yield fake


def run(channel: str, at: Any = None) -> None:
    """A worker's rounds for a channel, until what is under way is written down."""
    courier = Courier(channel, start=lambda _name, call: call(), **({"now": lambda: at} if at else {}))
    for _ in range(3):
        courier.step()
    courier.close(1)


def paged(key: str = "ledger") -> Attempt:
    """An alert whose SMS Twilio has taken."""
    api.alert("The ledger is closed", key=key, severity="critical")
    run("oncall")
    attempt = Attempt.objects.latest("pk")
    assert attempt.result == Result.DELIVERED
    return attempt


def mailed() -> Attempt:
    api.alert("The ledger is slow", key="slow", severity="error")
    run("mail")
    Attempt.objects.update(provider_id="postmark-id")
    return Attempt.objects.get()


def twilio_says(
    sid: str, status: str, code: str = "", *, token: str = TOKEN, reference: str = "", signature: str | None = None
) -> int:
    fields = {"MessageSid": sid, "MessageStatus": status, "AccountSid": "AC" + "0" * 32}
    if code:
        fields["ErrorCode"] = code
    query = f"?{urlencode({'reference': reference})}" if reference else ""
    if signature is None:
        signature = RequestValidator(token).compute_signature(CALLBACK + query, fields)
    response = Client().post(f"/notifier/twilio/status/{query}", fields, headers={"X-Twilio-Signature": signature})
    assert not response.content
    return response.status_code


def postmark_says(kind: str, *, secret: str = SECRET, message_id: Any = "postmark-id", **fields: Any) -> int:
    body = {"RecordType": kind, "MessageID": message_id, "Email": "team@shop.example", **fields}
    return provider_says("postmark", body, secret)


def provider_says(provider: str, body: Any, secret: str = SECRET) -> int:
    basic = base64.b64encode(secret.encode()).decode()
    response = Client(raise_request_exception=False).post(
        f"/anymail/{provider}/tracking/",
        json.dumps(body),
        content_type="application/json",
        headers={"Authorization": f"Basic {basic}"} if secret else {},
    )
    return response.status_code


def told(attempt: Attempt) -> Notification:
    return Notification.objects.get(parts_told__attempt=attempt)


# --- Twilio -----------------------------------------------------------------------------------------------------------


def test_twilio_is_told_where_to_report(twilio: FakeTwilio) -> None:
    attempt = paged()

    asked = urlencode({"StatusCallback": f"{CALLBACK}?reference={attempt.reference}"})
    assert asked in twilio.received[0]["body"]


def test_an_alert_goes_out_without_a_receipt_when_twilio_refuses_the_callbacks_url(twilio: FakeTwilio) -> None:
    refusal = {"code": 21609, "message": "Invalid StatusCallback", "status": 400}
    twilio.script({"status": 400, "body": refusal})

    attempt = paged()

    assert attempt.provider_id == twilio.messages[0]["sid"]
    assert "StatusCallback" not in twilio.received[-1]["body"]


def test_delivered_is_noted_and_nothing_else_changes() -> None:
    attempt = paged()
    before = Notification.objects.values().get()

    assert twilio_says(attempt.provider_id, "sent") == 200
    assert twilio_says(attempt.provider_id, "delivered") == 200

    attempt.refresh_from_db()
    assert (attempt.receipt, attempt.result) == ("delivered", Result.DELIVERED)
    assert attempt.receipt_at is not None
    assert Notification.objects.values().get() == before


def test_an_undelivered_sms_counts_as_not_sent_and_fails_over() -> None:
    attempt = paged()

    assert twilio_says(attempt.provider_id, "undelivered", "30007") == 200

    attempt.refresh_from_db()
    assert (attempt.result, attempt.code, attempt.receipt) == (Result.REJECTED, "30007", "undelivered")
    row = told(attempt)
    assert (row.told_seq, row.told_at, row.told_severity, row.sent, row.rejected) == (0, None, None, 0, True)
    assert row.due_at is not None
    assert row.due_at <= timezone.now()
    run("oncall")
    run("chat")
    [message] = memory.outbox
    assert "The ledger is closed" in message.message.title
    assert not Target.objects.filter(dead_since__isnull=False).exists()


def test_a_telephone_out_of_reach_is_tried_once_more_and_then_fails_over(twilio: FakeTwilio) -> None:
    first = paged()
    twilio_says(first.provider_id, "undelivered", "30003")

    row = told(first)
    assert not row.rejected
    assert row.due_at is not None
    assert timedelta(minutes=1) < row.due_at - timezone.now() <= reports.RETRY_AFTER
    run("oncall", timezone.now() + reports.RETRY_AFTER)
    second = Attempt.objects.latest("pk")
    assert second.provider_id == twilio.messages[1]["sid"]
    assert not memory.outbox

    twilio_says(second.provider_id, "undelivered", "30003")
    run("oncall", timezone.now() + reports.RETRY_AFTER)
    run("chat", timezone.now() + reports.RETRY_AFTER)
    assert len(memory.outbox) == 1
    assert len(twilio.messages) == 2


def test_a_number_not_in_service_is_set_aside_and_its_alert_fails_over() -> None:
    attempt = paged()

    twilio_says(attempt.provider_id, "undelivered", "30005")

    target = Target.objects.get(channel="oncall")
    assert target.dead_since is not None
    assert target.dead_detail == "30005: the number is not in service"
    run("oncall")
    run("chat")
    assert len(memory.outbox) == 1


def test_a_forged_report_is_refused_and_changes_nothing() -> None:
    attempt = paged()
    good = RequestValidator(TOKEN).compute_signature(CALLBACK, {"MessageSid": attempt.provider_id})

    assert twilio_says(attempt.provider_id, "undelivered", "30005", token="somebody-elses") == 403
    assert twilio_says(attempt.provider_id, "undelivered", "30005", signature="") == 403
    assert twilio_says(attempt.provider_id, "undelivered", "30005", signature=good) == 403  # of another request
    assert twilio_says("SM" + "f" * 32, "undelivered", "30005", token="somebody-elses") == 403

    attempt.refresh_from_db()
    assert (attempt.receipt, attempt.result) == ("", Result.DELIVERED)


def test_an_unknown_message_is_answered_like_a_known_one() -> None:
    assert twilio_says("SM" + "f" * 32, "undelivered", "30005") == 200
    assert twilio_says("", "undelivered", "30005") == 200


def test_only_post_is_understood() -> None:
    assert Client().get("/notifier/twilio/status/").status_code == 405


@pytest.mark.parametrize("later", [("sent", ""), ("delivered", ""), ("undelivered", "30005"), ("failed", "30007")])
def test_late_repeated_and_contradicting_reports_change_nothing(later: tuple[str, str]) -> None:
    attempt = paged()
    twilio_says(attempt.provider_id, "undelivered", "30003")
    rows = [list(model.objects.order_by("pk").values()) for model in (Attempt, Notification, Target, Alert)]

    assert twilio_says(attempt.provider_id, *later) == 200

    assert rows == [list(model.objects.order_by("pk").values()) for model in (Attempt, Notification, Target, Alert)]


def test_what_a_later_message_told_again_is_not_told_a_third_time() -> None:
    first = paged()
    api.alert("The ledger is closed", key="ledger", severity="critical")
    run("oncall", timezone.now() + HOUR)
    second = Attempt.objects.latest("pk")
    assert second.pk != first.pk
    before = Notification.objects.values().get()
    assert before["told_seq"] == 2

    twilio_says(first.provider_id, "undelivered", "30007")

    assert Notification.objects.values().get() == before


def test_only_the_news_that_did_not_arrive_is_told_again() -> None:
    first = paged()
    api.alert("The ledger is closed", key="ledger", severity="critical")
    run("oncall", timezone.now() + HOUR)
    second = Attempt.objects.latest("pk")

    twilio_says(second.provider_id, "undelivered", "30007")

    row = told(first)
    first.refresh_from_db()
    assert (row.told_seq, row.told_at, row.told_resolved, row.rejected) == (1, first.finished_at, False, True)


def test_the_end_of_an_alert_that_did_not_arrive_is_due_again() -> None:
    paged()
    api.resolve("ledger")
    run("oncall")
    end = Attempt.objects.latest("pk")
    assert told(end).told_resolved

    twilio_says(end.provider_id, "undelivered", "30008")

    row = told(end)
    assert (row.told_resolved, row.told_seq, row.reason) == (False, 1, "resolved")
    assert row.due_at is not None


def test_a_report_that_overtakes_the_answer_is_not_lost() -> None:
    api.alert("The ledger is closed", key="ledger", severity="critical")
    courier = Courier("oncall", start=lambda _name, call: None)  # the call is under way
    courier.step()
    attempt = Attempt.objects.get()
    assert attempt.result == Result.SENDING

    assert twilio_says("SM" + "a" * 32, "undelivered", "30007", reference=attempt.reference) == 200
    assert Attempt.objects.get().result == Result.SENDING
    policy = get_policy()
    finishing.finish([finishing.Ended(attempt.pk, Receipt(provider_id="SM" + "a" * 32))], policy, timezone.now())
    assert reports.catch_up(timezone.now()) == 1
    assert reports.catch_up(timezone.now()) == 0

    assert told(attempt).rejected


def test_a_recipient_that_never_gets_its_sms_is_tried_less_and_less(twilio: FakeTwilio) -> None:
    waits = []
    with time_machine.travel(timezone.now(), tick=False) as clock:
        paged()
        for number in range(1, 6):
            assert len(twilio.messages) == number
            twilio_says(twilio.messages[-1]["sid"], "undelivered", "30007")
            run("oncall")
            row = Notification.objects.get(target__channel="oncall")
            assert row.due_at is not None
            waits.append(row.due_at - timezone.now())
            clock.move_to(row.due_at)
            run("oncall")
        run("chat")

    assert waits == [holding.LOOK_AGAIN * times for times in (1, 1, 2, 4, 8)]
    assert len(memory.outbox) == 1


# --- Email ------------------------------------------------------------------------------------------------------------


def test_a_hard_bounce_sets_the_address_aside_and_fails_over() -> None:
    attempt = mailed()

    assert postmark_says("Bounce", Type="HardBounce", ID=1, Description="no such user") == 200

    attempt.refresh_from_db()
    assert (attempt.result, attempt.receipt, attempt.code) == (Result.REJECTED, "bounced", "bounced")
    assert Target.objects.get(channel="mail").dead_since is not None
    memory.clear()
    run("mail")
    run("chat")
    assert [sent.message.title for sent in memory.outbox] == ["The ledger is slow"]


def test_a_delivered_email_can_still_bounce() -> None:
    attempt = mailed()

    assert postmark_says("Delivery") == 200
    attempt.refresh_from_db()
    assert attempt.receipt == "delivered"
    assert postmark_says("Bounce", Type="HardBounce", ID=1) == 200
    attempt.refresh_from_db()
    assert (attempt.receipt, attempt.result) == ("bounced", Result.REJECTED)
    assert postmark_says("Delivery") == 200
    attempt.refresh_from_db()
    assert attempt.receipt == "bounced"


def test_a_complaint_sets_the_address_aside_and_what_was_read_is_not_told_again() -> None:
    attempt = mailed()

    assert postmark_says("SpamComplaint", Type="SpamComplaint") == 200

    attempt.refresh_from_db()
    assert (attempt.result, attempt.receipt) == (Result.DELIVERED, "complained")
    assert told(attempt).told_seq == 1
    assert Target.objects.get(channel="mail").dead_since is not None


def test_opening_and_clicking_say_nothing_of_delivery() -> None:
    mailed()
    assert postmark_says("Open") == 200
    assert Attempt.objects.get().receipt == ""


@pytest.mark.parametrize("secret", ["", "anymail:wrong", "anymail"])
def test_a_forged_bounce_is_refused_and_changes_nothing(secret: str) -> None:
    mailed()
    assert postmark_says("Bounce", secret=secret, Type="HardBounce", ID=1) == 400
    assert Attempt.objects.get().receipt == ""


def test_without_a_secret_nobody_may_report(settings: Settings) -> None:
    mailed()
    settings.ANYMAIL = {}
    assert postmark_says("Bounce", Type="HardBounce", ID=1) == 404
    assert Attempt.objects.get().receipt == ""


@pytest.mark.parametrize(
    "path",
    [
        *("/anymail/nobody/tracking/", "/anymail/postmark/inbound/", "/anymail/mailgun/tracking/"),
        *("/anymail/amazon_ses/tracking/", "/anymail/mandrill/tracking/", "/anymail/sendgrid/tracking/"),
    ],
)
def test_only_the_paths_of_the_provider_in_use_exist(path: str) -> None:
    for data in ({}, {"mandrill_events": "["}):
        assert Client().post(path, data).status_code == 404


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'"x"', b'{"RecordType": 7}', b"\xff\xfe", b"[" * 100_000, b'{"a": "\\u0000"}']
)
def test_what_no_provider_sends_is_refused_and_never_an_error_of_the_site(body: bytes) -> None:
    mailed()
    credentials = base64.b64encode(SECRET.encode()).decode()
    answer = Client(raise_request_exception=False).post(
        "/anymail/postmark/tracking/",
        data=body,
        content_type="application/json",
        headers={"Authorization": f"Basic {credentials}"},
    )
    assert answer.status_code in (200, 400)
    assert Attempt.objects.get().receipt == ""


def test_a_nul_in_twilios_callback_is_refused() -> None:
    assert Client().post("/notifier/twilio/status/", {"MessageSid": "SM\0", "MessageStatus": "sent"}).status_code == 400


def test_without_twilio_its_path_does_not_exist(settings: Settings) -> None:
    settings.NOTIFIER = {"CHANNELS": {"slack": {"BACKEND": "console", "TO": "#a"}}, "ROUTES": {"*": ["slack"]}}
    assert Client().post("/notifier/twilio/status/").status_code == 404
    settings.NOTIFIER = {"CHANNELS": 7}
    assert Client().post("/notifier/twilio/status/").status_code == 404


def test_an_unknown_email_is_ignored() -> None:
    mailed()
    assert postmark_says("Bounce", Type="HardBounce", ID=1, message_id="another") == 200
    assert Attempt.objects.get().receipt == ""


def test_a_bounced_digest_says_that_it_was_not_delivered() -> None:
    now = timezone.now()
    digest = Digest.objects.create(
        name="daily", target=a_target("mail:mail"), starts_at=now - HOUR, ends_at=now, sent_at=now, outcome="delivered"
    )
    Attempt.objects.create(
        target=digest.target, token="t", reference="r", reason="digest", text="", result=Result.DELIVERED,
        started_at=now, finished_at=now, provider_id="postmark-id", digest_of=digest,
    )  # fmt: skip

    assert postmark_says("Bounce", Type="HardBounce", ID=1) == 200

    digest.refresh_from_db()
    assert (digest.sent_at, digest.outcome) == (None, "not delivered: bounced")


@pytest.mark.parametrize("odd", [7, None, "a\0b", "\ud800", "x" * 5000, [1], {"a": 1}, True])
def test_a_report_of_odd_values_is_heard_and_breaks_nothing(odd: Any) -> None:
    attempt = mailed()

    assert postmark_says("Bounce", message_id=odd, Type="HardBounce", ID=odd) in (200, 400)
    assert reports.record(odd, report_of("bounced", "bounced") or Report(""), timezone.now()) is False
    assert report_of(odd, odd) is None
    report = report_of("bounced", odd)
    assert report is not None
    assert reports.record("postmark-id", report, timezone.now())

    attempt.refresh_from_db()
    assert attempt.receipt == "bounced"


def test_a_message_id_longer_than_its_column_is_known_again() -> None:
    attempt = mailed()
    Attempt.objects.update(provider_id=Receipt(provider_id="x" * 5000).provider_id)

    assert postmark_says("Bounce", message_id="x" * 5000, Type="HardBounce", ID=1) == 200

    attempt.refresh_from_db()
    assert attempt.receipt == "bounced"


def test_one_event_that_cannot_be_noted_keeps_no_other_from_being_noted(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempt = mailed()
    settings.EMAIL_BACKEND_PATH = "anymail.backends.sparkpost.EmailBackend"
    record = reports.record

    def refuse(provider_id: object, *rest: Any, **more: Any) -> bool:
        if provider_id == "bad":
            raise ZeroDivisionError
        return record(provider_id, *rest, **more)

    monkeypatch.setattr(reports, "record", refuse)
    bounce = {"type": "bounce", "bounce_class": "10", "timestamp": "1454442600", "rcpt_to": "team@shop.example"}
    events = [{"msys": {"message_event": bounce | {"transmission_id": name}}} for name in ("bad", "postmark-id")]

    assert provider_says("sparkpost", events) == 503, "the provider is asked for what was lost again"
    attempt.refresh_from_db()
    assert attempt.receipt == "bounced"
    monkeypatch.undo()
    assert provider_says("sparkpost", events) == 200


def _brevo(event: str) -> dict[str, Any]:
    return {"event": event, "message-id": "postmark-id", "email": "team@shop.example", "ts_epoch": 1_700_000_000_000}


def _sparkpost(number: str) -> list[dict[str, Any]]:
    bounce = {"type": "bounce", "bounce_class": number, "timestamp": "1454442600", "rcpt_to": "team@shop.example"}
    return [{"msys": {"message_event": bounce | {"transmission_id": "postmark-id"}}}]


def _mailjet(*, hard: bool, error: str) -> list[dict[str, Any]]:
    bounce = {"event": "bounce", "MessageID": "postmark-id", "email": "team@shop.example", "time": 1}
    return [bounce | {"hard_bounce": hard, "error": error, "Payload": ""}]


def _postmark(kind: str) -> dict[str, Any]:
    return {"RecordType": "Bounce", "Type": kind, "ID": 1, "MessageID": "postmark-id", "Email": "team@shop.example"}


BOUNCES: list[tuple[str, Any, bool]] = [
    ("postmark", _postmark("SoftBounce"), False),
    ("postmark", _postmark("HardBounce"), True),
    ("brevo", _brevo("soft_bounce"), False),
    ("brevo", _brevo("hard_bounce"), True),
    ("brevo", _brevo("invalid_email"), True),
    *(("sparkpost", _sparkpost(number), False) for number in ("20", "21", "22", "23", "40", "51", "52", "70")),
    *(("sparkpost", _sparkpost(number), True) for number in ("10", "30")),
    ("mailjet", _mailjet(hard=False, error="quota exceeded"), False),
    ("mailjet", _mailjet(hard=True, error="user unknown"), True),
]


@pytest.mark.parametrize(("provider", "body", "dead"), BOUNCES, ids=lambda value: json.dumps(value)[:60])
def test_a_soft_bounce_sets_no_address_aside_and_is_tried_again(
    settings: Settings, provider: str, body: Any, *, dead: bool
) -> None:
    attempt = mailed()
    settings.EMAIL_BACKEND_PATH = f"anymail.backends.{provider}.EmailBackend"

    assert provider_says(provider, body) == 200

    attempt.refresh_from_db()
    assert attempt.receipt == "bounced"
    target = Target.objects.get(channel="mail")
    assert (target.dead_since is not None) is dead
    row = told(attempt)
    assert row.told_seq == 0
    assert row.rejected is dead
    if not dead:
        assert row.due_at is not None
        assert row.due_at - timezone.now() <= reports.RETRY_AFTER
        run("mail", timezone.now() + reports.RETRY_AFTER)
        Attempt.objects.filter(pk__gt=attempt.pk).update(provider_id="second")
        assert told(Attempt.objects.latest("pk")).told_seq == 1


def test_a_target_that_a_report_set_aside_is_back_when_a_message_is_reported_as_delivered() -> None:
    """That a provider takes a message for a mailbox that does not exist says nothing of the mailbox."""
    mailed()
    postmark_says("Bounce", Type="HardBounce", ID=1)
    run("mail")
    later = timezone.now() + HOUR
    Notification.objects.filter(target__channel="mail").update(due_at=later)
    run("mail", later)
    tried = Attempt.objects.filter(target__channel="mail").latest("pk")
    Attempt.objects.filter(pk=tried.pk).update(provider_id="the-next")

    assert tried.result == Result.DELIVERED, "taken by the provider"
    assert Target.objects.get(channel="mail").dead_since is not None, "and not yet arrived"
    assert postmark_says("Delivery", message_id="the-next") == 200
    assert Target.objects.get(channel="mail").dead_since is None


def test_a_late_report_of_a_message_from_before_brings_nothing_back() -> None:
    mailed()
    api.alert("Another", key="another", severity="error")
    run("mail")
    other = Attempt.objects.filter(target__channel="mail").latest("pk")
    Attempt.objects.filter(pk=other.pk).update(provider_id="other")
    postmark_says("Bounce", Type="HardBounce", ID=1)

    assert postmark_says("Delivery", message_id="other") == 200
    assert Target.objects.get(channel="mail").dead_since is not None


def test_an_sms_costs_money_so_it_tries_a_number_less_often(twilio: FakeTwilio) -> None:
    attempt = paged()
    twilio_says(attempt.provider_id, "undelivered", "30005")
    tried = []
    start = timezone.now()
    for hours in (0.2, 0.9, 1.1, 1.5, 2.5, 4, 6):
        api.alert("The ledger is closed", key=f"after {hours}", severity="critical")
        run("oncall", start + hours * HOUR)
        tried.append(len(twilio.messages))

    assert tried == [1, 1, 2, 2, 3, 3, 4]
