"""Email over a real mail server and over four providers' APIs, by whichever mail API the running Django has."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core import mail
from hypothesis import HealthCheck, given, settings

from notifier.channels.email import Email
from notifier.facts import DeliveryError, Message, Reason, Receipt, Result
from tests.fakes.esp import FakeEsp
from tests.fakes.smtp import FakeSmtp
from tests.notifier.channels.conftest import MESSAGE, SHORT_TIMEOUT, TIMEOUT, TOO_LATE, Rig, message
from tests.notifier.channels.strategies import messages

RETRY, REJECTED, UNCERTAIN = Result.RETRY, Result.REJECTED, Result.UNCERTAIN
SMTP = "django.core.mail.backends.smtp.EmailBackend"
LOCMEM = "django.core.mail.backends.locmem.EmailBackend"
TO = "oncall@shop.example"
Backend = Callable[..., None]


def aws(code: str, said: str) -> dict[str, str]:
    """Amazon's form of a refusal. It also names the code in the header x-amzn-ErrorType."""
    return {"__type": f"com.amazonaws.sesv2#{code}", "message": said}


def email(path: str = SMTP, **options: object) -> Email:
    return Email({"from_email": "Alerts <alerts@shop.example>", "backend": path, "timeout": TIMEOUT, **options})


@pytest.fixture
def channel(smtp: FakeSmtp, backend: Backend) -> Email:
    backend(SMTP, host="127.0.0.1", port=smtp.smtp_port)
    return email()


def fails(channel: Email, address: str = TO, sent: Message = MESSAGE) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        channel.deliver(address, sent)
    return caught.value


def test_arrives_as_text_and_html_with_the_headers_of_an_alert(channel: Email, smtp: FakeSmtp) -> None:
    receipt = channel.deliver(TO, MESSAGE)

    arrived = smtp.messages[0]
    assert (arrived["from"], arrived["to"]) == ("alerts@shop.example", [TO])
    assert arrived["subject"] == MESSAGE.subject
    assert arrived["text"].splitlines() == MESSAGE.text.splitlines()
    assert arrived["html"].strip() == MESSAGE.html
    assert arrived["headers"]["From"] == "Alerts <alerts@shop.example>"
    assert arrived["headers"]["Message-ID"] == "<k7Qp2w@shop.example>"
    assert arrived["headers"]["Auto-Submitted"] == "auto-generated"
    assert not {"In-Reply-To", "References"} & set(arrived["headers"])
    assert receipt == Receipt(provider_id="<k7Qp2w@shop.example>", thread=f"<k7Qp2w@shop.example> {MESSAGE.subject}")


def test_news_is_threaded_below_the_first_message(channel: Email, smtp: FakeSmtp) -> None:
    thread = channel.deliver(TO, MESSAGE).thread

    receipt = channel.deliver(TO, message(reason=Reason.UPDATE, reference="second", thread=thread, subject="new words"))

    headers = smtp.messages[1]["headers"]
    assert headers["Message-ID"] == "<second@shop.example>"
    assert (headers["In-Reply-To"], headers["References"]) == ("<k7Qp2w@shop.example>",) * 2
    assert headers["Subject"] == MESSAGE.subject, "Gmail threads mails of one subject alone"
    assert (receipt.provider_id, receipt.thread) == ("<second@shop.example>", thread)


def test_a_repeat_has_the_same_message_id(channel: Email, smtp: FakeSmtp) -> None:
    smtp.script({"stage": "DATA", "close": True, "taken": True})

    assert fails(channel).result is UNCERTAIN
    channel.deliver(TO, message(possible_repeat=True))

    assert len({arrived["headers"]["Message-ID"] for arrived in smtp.messages}) == 1
    assert len(smtp.messages) == 2


@pytest.mark.parametrize(
    ("sender", "domain"),
    [
        ("alerts@shop.example", "shop.example"),
        ("Alerts <alerts@zürich.example>", "xn--zrich-kva.example"),
        ("root", "localhost"),
    ],
)
def test_the_message_id_is_of_the_senders_domain(smtp: FakeSmtp, channel: Email, sender: str, domain: str) -> None:
    assert email(from_email=sender).deliver(TO, MESSAGE).provider_id == f"<k7Qp2w@{domain}>"


def test_without_a_reference_the_mail_system_names_the_message(channel: Email, smtp: FakeSmtp) -> None:
    receipt = channel.deliver(TO, message(reference=""))

    assert smtp.messages[0]["headers"]["Message-ID"]
    assert receipt == Receipt()


def test_without_html_it_is_plain_text(channel: Email, smtp: FakeSmtp) -> None:
    channel.deliver(TO, message(html="", text="", subject=""))

    arrived = smtp.messages[0]
    assert arrived["html"] == ""
    assert arrived["text"].startswith("Critical: invoice.paid cannot be processed")
    assert arrived["subject"] == MESSAGE.title


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sent=messages)
def test_no_text_can_add_a_header_or_a_recipient(channel: Email, smtp: FakeSmtp, sent: Message) -> None:
    smtp.reset()
    channel.deliver(TO, sent)

    arrived = smtp.messages[0]
    known = {"Subject", "From", "To", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type"}
    assert set(arrived["headers"]) <= known | {"Content-Transfer-Encoding", "In-Reply-To", "References"}
    assert (arrived["to"], arrived["from"]) == ([TO], "alerts@shop.example")
    assert len(smtp.messages) == 1


@pytest.mark.parametrize(
    ("step", "result", "code", "dead"),
    [
        # before the text goes out
        ({"stage": "EHLO", "delay": TOO_LATE}, RETRY, "timeout", False),
        ({"stage": "EHLO", "close": True}, RETRY, "connection_lost", False),
        ({"stage": "MAIL", "close": True}, RETRY, "connection_lost", False),
        ({"stage": "RCPT", "close": True}, RETRY, "connection_lost", False),
        ({"stage": "RCPT", "delay": TOO_LATE}, RETRY, "timeout", False),
        ({"stage": "RCPT", "reply": "nonsense"}, RETRY, "smtp_-1", False),
        # while it goes out
        ({"stage": "DATA", "close": True}, UNCERTAIN, "connection_lost", False),
        ({"stage": "DATA", "delay": TOO_LATE}, UNCERTAIN, "timeout", False),
        ({"stage": "DATA", "reply": "nonsense"}, UNCERTAIN, "unreadable_answer", False),
        # what the server says
        ({"stage": "MAIL", "reply": "421 4.3.2 closing"}, RETRY, "smtp_421", False),
        ({"stage": "MAIL", "reply": "530 5.7.0 log in first"}, REJECTED, "smtp_530", True),
        ({"stage": "MAIL", "reply": "552 5.3.4 too big"}, REJECTED, "smtp_552", False),
        ({"stage": "RCPT", "reply": f"450 4.2.1 {TO} greylisted"}, RETRY, "smtp_450", False),
        ({"stage": "RCPT", "reply": "452 4.2.2 mailbox full"}, RETRY, "smtp_452", False),
        ({"stage": "RCPT", "reply": f"550 5.1.1 {TO} unknown"}, REJECTED, "smtp_550", True),
        ({"stage": "RCPT", "reply": "553 5.1.3 bad address"}, REJECTED, "smtp_553", True),
        ({"stage": "RCPT", "reply": "554 5.7.1 blocked"}, REJECTED, "smtp_554", False),
        ({"stage": "DATA", "reply": "451 4.3.0 later"}, RETRY, "smtp_451", False),
        ({"stage": "DATA", "reply": "554 5.7.1 looks like spam"}, REJECTED, "smtp_554", False),
    ],
    ids=lambda value: " ".join(map(str, value.values())) if isinstance(value, dict) else "",
)
def test_each_answer_of_the_mail_server_has_its_meaning(
    channel: Email, smtp: FakeSmtp, step: dict[str, Any], result: Result, code: str, dead: bool
) -> None:
    smtp.script(step)

    error = fails(email(timeout=SHORT_TIMEOUT) if "delay" in step else channel)

    assert (error.result, error.code, error.target_dead) == (result, code, dead)
    assert TO not in str(error)
    assert result is UNCERTAIN or smtp.messages == []


@pytest.mark.parametrize(
    ("reply", "result", "dead"), [("535 5.7.8 no", REJECTED, True), ("454 4.7.0 later", RETRY, False)]
)
def test_refused_credentials_are_final_and_not_told(
    smtp: FakeSmtp, backend: Backend, reply: str, result: Result, dead: bool, caplog: pytest.LogCaptureFixture
) -> None:
    backend(SMTP, host="127.0.0.1", port=smtp.smtp_port, username="alerts", password="mailpassword")
    smtp.script(*[{"stage": "AUTH", "reply": reply}] * 3)  # smtplib tries each of three methods

    error = fails(email())

    assert (error.result, error.target_dead) == (result, dead)
    assert "mailpassword" not in str(error) + caplog.text


def test_a_refused_connection_is_tried_again(smtp: FakeSmtp, backend: Backend) -> None:
    backend(SMTP, host="127.0.0.1", port=1)

    assert (fails(email()).result, fails(email()).code) == (RETRY, "refused")


@pytest.mark.parametrize(
    ("option", "result", "code"), [("use_tls", REJECTED, "not_supported"), ("use_ssl", RETRY, "tls")]
)
def test_a_server_without_tls_gets_no_mail(
    smtp: FakeSmtp, backend: Backend, option: str, result: Result, code: str
) -> None:
    backend(SMTP, host="127.0.0.1", port=smtp.smtp_port, **{option: True})

    error = fails(email())

    assert (error.result, error.code) == (result, code)
    assert smtp.messages == []


def test_a_connection_that_ends_badly_does_not_undo_the_message(channel: Email, smtp: FakeSmtp) -> None:
    smtp.script({"stage": "QUIT", "reply": "421 going down"})

    assert channel.deliver(TO, MESSAGE).provider_id


@pytest.mark.parametrize("address", ["not an address", "a@b@c", "", "jo@shop.example\r\nBcc: eve@evil.example"])
def test_an_address_that_is_none_is_rejected(channel: Email, smtp: FakeSmtp, address: str) -> None:
    error = fails(channel, address)

    assert error.result is REJECTED
    assert smtp.messages == []


def test_a_backend_that_cannot_be_imported_is_a_mistake_of_settings(backend: Backend) -> None:
    backend("shop.mail.Backend")

    error = fails(email("shop.mail.Backend"))

    assert (error.result, error.code, error.target_dead) == (REJECTED, "invalid_configuration", True)


def test_a_provider_without_its_key_is_a_mistake_of_settings(backend: Backend) -> None:
    path = "anymail.backends.postmark.EmailBackend"
    backend(path)

    error = fails(email(path))

    assert (error.result, error.code, error.target_dead) == (REJECTED, "invalid_configuration", True)


def test_a_mail_that_a_receiver_cancels_was_not_sent(
    rig: Callable[[str], Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    from anymail.exceptions import AnymailCancelSend
    from anymail.signals import pre_send

    def cancel(**_: Any) -> None:
        raise AnymailCancelSend

    pre_send.connect(cancel)
    try:
        error = rig("postmark").fails()
    finally:
        pre_send.disconnect(cancel)

    assert (error.result, error.code) == (REJECTED, "cancelled")


@pytest.mark.parametrize("kind", ["postmark", "mailgun", "resend", "brevo", "amazon_ses"])
def test_arrives_through_a_providers_api(rig: Callable[[str], Rig], kind: str) -> None:
    under_test = rig(kind)
    receipt = under_test.channel.deliver(TO, message(thread="<first@shop.example>"))

    arrived = under_test.fake.messages[0]
    headers = {name.lower(): value for name, value in arrived["headers"].items()}
    assert arrived["provider"] == kind
    assert (arrived["to"], arrived["from"]) == (TO, "alerts@shop.example")
    assert (arrived["subject"], arrived["text"], arrived["html"]) == (MESSAGE.subject, MESSAGE.text, MESSAGE.html)
    assert headers["message-id"] == "<k7Qp2w@shop.example>"
    assert headers["in-reply-to"] == headers["references"] == "<first@shop.example>"
    assert headers["auto-submitted"] == "auto-generated"
    assert receipt.provider_id
    assert receipt.provider_id != "<k7Qp2w@shop.example>"  # the provider's own
    assert receipt.thread == f"<first@shop.example> {MESSAGE.subject}"


@pytest.mark.parametrize(
    ("kind", "status", "body", "code", "dead", "words"),
    [
        ("postmark", 401, {"ErrorCode": 10, "Message": "Bad or missing token."}, "http_401", True, "Bad or missing"),
        (
            "postmark",
            422,
            {"ErrorCode": 400, "Message": "Sender not verified."},
            "http_422",
            False,
            "Sender not verified",
        ),
        (
            "postmark",
            422,
            {"ErrorCode": 406, "Message": f"inactive addresses: {TO}. Inactive recipients"},
            "rejected",
            True,
            "",
        ),
        ("postmark", 422, {"ErrorCode": 300, "Message": f"Invalid 'To' address: '{TO}'."}, "rejected", True, ""),
        ("mailgun", 401, "Forbidden", "http_401", True, ""),
        ("mailgun", 400, {"message": "from is not valid"}, "http_400", False, "from is not valid"),
        ("mailgun", 404, {"message": "Domain not found: shop.example"}, "http_404", False, "Domain not found"),
        ("resend", 403, {"name": "x", "message": "The domain is not verified"}, "http_403", True, "not verified"),
        ("resend", 422, {"name": "x", "message": "Invalid `to`"}, "http_422", False, "Invalid"),
        ("brevo", 401, {"code": "unauthorized", "message": "Key not found"}, "http_401", True, "Key not found"),
        ("brevo", 400, {"code": "invalid_parameter", "message": "sender is not valid"}, "http_400", False, "sender"),
        ("amazon_ses", 404, aws("NotFoundException", "Configuration set <x>"), "http_404", False, "Configuration set"),
        ("amazon_ses", 400, aws("BadRequestException", "Missing final '@domain'"), "http_400", False, "Missing final"),
        ("amazon_ses", 400, aws("MessageRejected", "it contains a virus"), "MessageRejected", False, "virus"),
        (
            "amazon_ses",
            400,
            aws("MessageRejected", f"Email address is not verified. The following identities failed the check: {TO}"),
            "MessageRejected",
            True,
            "not verified",
        ),
        *(
            ("amazon_ses", status, aws(code, f"why, {TO}"), code, True, "why")
            for code, status in (
                ("AccountSuspendedException", 400),
                ("SendingPausedException", 400),
                ("MailFromDomainNotVerifiedException", 400),
                ("AccessDeniedException", 403),
                ("AccessDeniedException", 400),
                ("ExpiredTokenException", 403),
                ("InvalidClientTokenId", 403),
                ("InvalidSignatureException", 403),
                ("SignatureDoesNotMatch", 403),
                ("UnrecognizedClientException", 400),
            )
        ),
    ],
)
def test_each_refusal_of_a_provider_has_its_meaning(
    rig: Callable[[str], Rig], kind: str, status: int, body: Any, code: str, dead: bool, words: str
) -> None:
    under_test = rig(kind)
    under_test.fake.script({"status": status, "body": body})

    error = under_test.fails()

    assert (error.result, error.code, error.target_dead) == (REJECTED, code, dead)
    assert words in error.detail
    assert TO not in str(error)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "ThrottlingException"),
        (400, "Throttling"),
        (429, "TooManyRequestsException"),
        (400, "LimitExceededException"),
        (400, "RequestExpired"),
    ],
)
def test_what_is_over_amazons_limits_is_sent_later(rig: Callable[[str], Rig], status: int, code: str) -> None:
    under_test = rig("amazon_ses")
    answer = aws(code, "Maximum sending rate exceeded.")
    under_test.fake.script({"status": status, "body": answer, "headers": {"Retry-After": "7"}})

    error = under_test.fails()

    assert (error.result, error.code, error.retry_after) == (RETRY, code, 7.0)
    assert len(under_test.fake.received) == 1


def test_amazons_answer_that_names_the_code_in_a_header_alone_is_understood(rig: Callable[[str], Rig]) -> None:
    under_test = rig("amazon_ses")
    header = {"x-amzn-ErrorType": "SendingPausedException:http://internal.amazon.com/"}
    under_test.fake.script({"status": 400, "body": {"message": "paused"}, "headers": header})

    error = under_test.fails()

    assert (error.code, error.target_dead, error.detail) == ("SendingPausedException", True, "paused")


def test_amazons_own_retries_cannot_be_switched_on_from_outside(
    rig: Callable[[str], Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "5")
    monkeypatch.setenv("AWS_RETRY_MODE", "adaptive")
    under_test = rig("amazon_ses")
    under_test.fake.script(*[{"status": 503}] * 3)

    under_test.fails()

    assert len(under_test.fake.received) == 1


@pytest.mark.parametrize("lacking", ["AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"])
def test_amazon_without_credentials_or_region_is_a_mistake_of_settings(
    esp: FakeEsp, backend: Backend, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, lacking: str
) -> None:
    here = {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "x" * 40}
    here |= {"AWS_DEFAULT_REGION": "eu-central-1", "AWS_EC2_METADATA_DISABLED": "true"}
    here |= {"AWS_CONFIG_FILE": str(tmp_path / "none"), "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none")}
    for name, value in here.items():
        monkeypatch.setenv(name, value)
    path = "anymail.backends.amazon_ses.EmailBackend"
    backend(path, anymail={"AMAZON_SES_CLIENT_PARAMS": {"endpoint_url": esp.url}})
    assert email(path).deliver(TO, MESSAGE)
    monkeypatch.delenv(lacking)
    if lacking == "AWS_SECRET_ACCESS_KEY":
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")

    error = fails(email(path))

    assert (error.result, error.code, error.target_dead) == (REJECTED, "invalid_configuration", True)
    assert len(esp.messages) == 1


def test_a_recipient_who_bounced_before_is_dead(rig: Callable[[str], Rig], esp: FakeEsp) -> None:
    under_test = rig("postmark")
    under_test.address = "gone@bounced.example"

    error = under_test.fails()

    assert (error.result, error.code, error.target_dead) == (REJECTED, "rejected", True)
    assert esp.messages == []


def test_a_refusal_that_the_backend_was_told_to_ignore_is_seen_all_the_same(
    rig: Callable[[str], Rig], settings: Any
) -> None:
    under_test = rig("postmark")
    settings.ANYMAIL = {**settings.ANYMAIL, "IGNORE_RECIPIENT_STATUS": True}
    under_test.address = "gone@bounced.example"

    assert under_test.fails().code == "rejected"


def test_djangos_own_backends_work_and_nothing_warns(backend: Backend) -> None:
    backend(LOCMEM)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        email(LOCMEM).deliver(TO, MESSAGE)

    assert mail.outbox[0].subject == MESSAGE.subject
    assert mail.outbox[0].to == [TO]


def test_a_long_subject_is_one_line_of_bearable_length(backend: Backend) -> None:
    backend(LOCMEM)
    email(LOCMEM).deliver(TO, message(subject="Ünübersichtlich\r\nBcc: eve@evil.example " * 40))

    subject = mail.outbox[0].subject
    assert subject.startswith("Ünübersichtlich Bcc: eve@evil.example Ünüb")
    assert len(subject) == 200
    assert "\n" not in subject


@pytest.mark.parametrize(
    ("address", "fine"),
    [
        ("oncall@shop.example", True),
        ("jo+alerts@shop.example", True),
        ("jo", False),
        ("Jo <jo@shop.example>", False),
        ("", False),
    ],
)
def test_says_what_is_wrong_with_an_address(address: str, fine: bool) -> None:
    assert (Email.check_address(address) is None) is fine
