"""Secrets and personal data, planted in every input, are in nothing that leaves: logs, rows, messages, pages.

What was received is the exception: a stored event's body is kept as Stripe sent it, and addresses that the site
itself configured are in the table of targets.
"""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any
from urllib.parse import unquote_plus

import pytest
import structlog
from django.apps import apps
from django.conf import settings as site
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from alerts_runtime.isolation import last_resort
from alerts_runtime.monitoring import watchdog
from alerts_runtime.redaction import redact
from notifier import api
from notifier.delivery.courier import Courier
from notifier.models import Alert, Attempt, Digest, Target
from notifier.outbox import last_resort as resort
from tests.acceptance.site import Providers
from tests.fakes.esp import FakeEsp
from tests.fakes.slack import FakeSlack
from tests.fakes.twilio import FakeTwilio
from tests.notifier.rows import a_target
from tests.runtime.waiting import until
from tests.webhooks.stripe_side import deliver, make_due
from webhooks import handlers, samples
from webhooks.events import StripeEvent
from webhooks.models import WebhookEvent
from webhooks.process import processing
from webhooks.receive import refusals, views

# What a handler's exception, a header or a provider's answer may quote, and the part of it that must not be seen again.
QUOTED = {
    "Stripe's key": ("No such customer; key sk_live_canary51StripeKey", "canary51StripeKey"),
    "restricted key": ("rk_test_canary52Restricted was used", "canary52Restricted"),
    "signing secret": ("compared with whsec_canary53Signing", "canary53Signing"),
    "Slack's token": ("sent with xoxb-canary-54-slacktoken", "canary-54"),
    "incoming webhook": ("POST https://hooks.slack.com/services/T1/B2/canary55Hook", "canary55Hook"),
    "bearer token": ("Authorization: Bearer canary56bearertoken", "canary56"),
    "password": ("login with password='canary57 word'", "canary57"),
    "URL's password": ("connecting to postgres://shop:canary58@10.0.0.7/shop", "canary58"),
    "broker's password": ("cannot connect to amqp://alerts:canary81@mq:5672//", "canary81"),
    "Redis' password": ("Error 111 connecting to redis://:canary82@cache:6379/0", "canary82"),
    "AWS' key id": ("InvalidClientTokenId: AKIACANARY83CANARY83", "CANARY83"),
    "AWS' secret": ("{'SecretAccessKey': 'canary84/canary84+', 'SessionToken': 'canary84=='}", "canary84"),
    "AWS' header": ("should have been 'POST\nx-amz-security-token:canary85==\n\nhost'", "canary85"),
    "AWS' signature": (f"AWS4-HMAC-SHA256 SignedHeaders=host, Signature={'ca86' * 16}", "ca86ca86"),
    "Twilio's token": ("twilio auth_token 0123456789abcdef0123456789abcde9", "0123456789abcdef"),
    "card": ("declined: 4242 4242 4242 4242", "4242 4242"),
    "card in one": ("declined: 5555555555554444", "5555555555554444"),
    "email": ("duplicate: canary59.person@private.example", "canary59"),
    "phone": ("cannot call +1 415 555 0199", "555 0199"),
    "phone in one": ("cannot call +14155550198", "4155550198"),
    "client secret": ("pi_3MtwBw_secret_canary100Client", "canary100"),
    "JWT": ("sent eyJhbGciOiJIUzI1NiJ9.canary101payload.canary101sign", "canary101"),
    "PEM": ("-----BEGIN PRIVATE KEY-----\ncanary102Key+\n-----END PRIVATE KEY-----", "canary102"),
    "GitHub's token": ("remote: ghp_canary103canary103canary103canary1030", "canary103"),
    "SendGrid's key": ("SG.canary104canary104ca.canary104", "canary104"),
    "Google's key": ("AIzacanary105canary105canary105canary105", "canary105"),
    "PyPI's token": ("pypi-canary106canary106", "canary106"),
    "Brevo's key": ("xkeysib-canary107canary107", "canary107"),
    "Mailgun's key": ("key-ca108ca108ca108ca108ca108", "ca108ca108"),
    "Twilio's key": ("SK" + "ca109ca1" * 4, "ca109ca1ca109"),
    "pair": ("('password', 'canary110 word')", "canary110"),
    "option": ("['mysql', '--password', 'canary111']", "canary111"),
    "curl": ("curl -u alice:canary112 https://x.example", "canary112"),
    "tabs": ("Authorization:\t\tBearer\tcanary113", "canary113"),
    "cookie": ("Cookie: a=canary114; b=canary114", "canary114"),
    "short name": ("pw=canary115", "canary115"),
    "query": ("GET https://x.example/cb?code=canary116&sig=canary116&auth=canary116", "canary116"),
    "URL's odd password": ("postgres://shop:ca/na#canary117@10.0.0.7/shop", "canary117"),
    "IBAN": ("from DE89370400440532013000", "370400440532"),
    "national id": ("SSN 219-09-9118", "219-09-9118"),
    "phone at home": ("call 0151 23459119", "23459119"),
    "card with dots": ("4242.4242.4242.4242", "4242.4242"),
    "card, full width": ("\uff14\uff12" * 8, "\uff14\uff12\uff14"),
    "quoted local part": ('"canary120 person"@private.example', "canary120"),
    "syntax": ('invalid input syntax for type integer: "Canary121 Surname"', "Canary121"),
    "hint": ('HINT:  Ask "Canary122 Surname".', "Canary122"),
    "statement": ("no such relation\nLINE 1: select * from x where name='Canary130 Surname'", "Canary130"),
    "any scheme": ("Authorization: GenieKey canary131-key", "canary131"),
    "sentence": ("the password 'canary132 word' is wrong", "canary132"),
    "invisible": ("pass\u200bword=canary133", "canary133"),
    "option of a shell": ("cli --api-key canary134", "canary134"),
    "label and value": ("{'name': 'password', 'value': 'canary135 word'}", "canary135"),
    "address": ("POST https://discord.com/api/webhooks/1/canary136", "canary136"),
    "prefix": ("shpat_canary137canary137canary137ca", "canary137"),
    "row": ('violates "unique"\nDETAIL:  Key (name)=(Canary60 Surname) already exists.', "Canary60"),
}
# In the event's body alone: names and addresses have no form by which they could be known.
IN_BODY: dict[str, Any] = {
    "customer_name": "Canary61 Surname",
    "customer_email": "canary62@private.example",
    "customer_phone": "+14155550197",
    "customer_address": {"line1": "63 Canarylane", "city": "Canary64city"},
    "hosted_invoice_url": "https://invoice.stripe.com/i/canary65link",
    "description": "for canary66, who lives at 63 Canarylane",
    "metadata": {"password": "canary67", "note": "call Canary68 at home", "canary69key": "x"},
}
BODY_CANARIES = ("Canary61", "canary62", "4155550197", "Canarylane", "Canary64", *(f"canary{n}" for n in range(65, 70)))
# The site's own, which an exception may quote as they are.
CONFIGURED = {
    "SLACK_BOT_TOKEN": "xoxb-canary-71-of-slack",
    "TWILIO_AUTH_TOKEN": "canary-72-of-twilio",
    "METRICS_TOKEN": "canary-73-of-prometheus",
    "HEARTBEAT_URL": "https://beat.example/canary-74-of-heartbeat",
    "STRIPE_API_KEY": "canary-75-of-stripe",
    "SECRET_KEY": "canary-76-of-django-" + "x" * 50,
}
ANYMAIL = {"POSTMARK_SERVER_TOKEN": "canary-77-of-postmark", "WEBHOOK_SECRET": "anymail:canary-78-of-anymail"}
ENVIRONMENT = {
    "AWS_SECRET_ACCESS_KEY": "canary-87/of/aws+secret",
    "AWS_SESSION_TOKEN": "canary-88/of/aws+session==",
    "BROKER_URL": "amqp://alerts:canary-89-of-the-broker@mq:5672//",
    "REDIS_URL": "redis://:canary-90-of-redis@cache:6379/0",
}
IN_ENVIRONMENT = (
    "canary-87/of/aws+secret",
    "canary-88/of/aws+session==",
    "canary-89-of-the-broker",
    "canary-90-of-redis",
)
SECRET = "whsec_canary79OfTheEndpoint"
ADDRESSES = ("+4915112345678", "canary80@shop.example")  # whom the site tells: only the provider may hear of them
ALL = (
    *(canary for _, canary in QUOTED.values()),
    *BODY_CANARIES,
    *(value.rpartition("/")[2] for value in CONFIGURED.values()),
    *ANYMAIL.values(),
    *(canary.rstrip("=") for canary in IN_ENVIRONMENT),
    "canary79OfTheEndpoint",
)
pytestmark = pytest.mark.django_db(transaction=True)  # as a worker does it, with commits


@pytest.fixture(autouse=True)
def _fresh_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(handlers, "_handlers", [])
    handlers._matching.cache_clear()
    monkeypatch.setattr(refusals, "FLUSH_AFTER", 3600.0)  # its thread would outlive the test
    monkeypatch.setattr(watchdog, "look", lambda: None)  # likewise
    yield
    refusals.flush()
    handlers._matching.cache_clear()


@pytest.fixture
def providers() -> Iterator[Providers]:
    with ExitStack() as stack:
        yield Providers(
            stack.enter_context(FakeSlack()), stack.enter_context(FakeTwilio()), stack.enter_context(FakeEsp())
        )


@pytest.fixture(autouse=True)
def _configured(settings: Settings, providers: Providers, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    for name, value in CONFIGURED.items():
        setattr(settings, name, value)
    settings.SLACK_API_URL = providers.slack.api_url
    settings.TWILIO_ACCOUNT_SID, settings.TWILIO_FROM = "AC" + "0" * 32, "+15005550006"
    settings.TWILIO_API_URL = providers.twilio.url
    settings.TWILIO_STATUS_CALLBACK = "https://shop.example/notifier/twilio/status/"
    settings.ANYMAIL = ANYMAIL | {"POSTMARK_API_URL": providers.esp.postmark_url}
    postmark = "anymail.backends.postmark.EmailBackend"
    settings.EMAIL_BACKEND_PATH = postmark
    settings.WEBHOOKS = site.WEBHOOKS | {"ENDPOINTS": {"default": {"SECRETS": [SECRET]}}}
    settings.ADMINS = []
    if hasattr(site, "MAILERS"):
        settings.MAILERS = {"default": {"BACKEND": postmark, "OPTIONS": {}}}
    else:
        settings.EMAIL_BACKEND = postmark
    settings.NOTIFIER = {
        "CHANNELS": {
            "slack": {"BACKEND": "slack", "TO": "#payments"},
            "oncall": {"BACKEND": "sms", "TO": [ADDRESSES[0]], "FAILOVER": "slack"},
            "team": {"BACKEND": "email", "TO": [ADDRESSES[1]], "FAILOVER": "slack"},
        },
        "ROUTES": {"*": ["slack", "oncall", "team"]},
        "DIGESTS": {"daily": {"AT": "08:00", "TO": ["team"]}},
        "LIMITS": {alias: {"RATES": []} for alias in ("slack", "oncall", "team")},
    }
    redact._secrets_of_settings.cache_clear()
    yield
    redact._secrets_of_settings.cache_clear()


@pytest.fixture
def logged() -> Iterator[Callable[[], str]]:
    """Everything that is logged, as it is written in production."""
    [formatter] = [
        handler.formatter
        for handler in logging.getLogger().handlers
        if isinstance(handler.formatter, structlog.stdlib.ProcessorFormatter)
    ]
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    logging.getLogger().addHandler(handler)
    yield stream.getvalue
    logging.getLogger().removeHandler(handler)


def fail_with(text: str, kind: type[Exception] = RuntimeError, event_type: str = "invoice.paid") -> WebhookEvent:
    """An event full of personal data whose handler raises, and quotes, and was itself caused by the like."""

    def handler(event: StripeEvent) -> None:
        try:
            raise KeyError(text)
        except KeyError as error:
            raise kind(f"while it was handled: {text}") from error

    handlers._handlers.clear()
    handlers._matching.cache_clear()
    handlers.on("*")(handler)
    body = samples.snapshot(event_type, livemode=True, **IN_BODY)
    assert deliver(body, secret=SECRET).status_code == 200
    row = WebhookEvent.objects.get(event_id=body["id"])
    make_due(row)
    for _ in range(100):  # on a slow machine retries of those before are due as well, and come first
        if row.failures.exists():
            break
        processing.process_due()
    assert row.failures.count() == 1
    return row


def tell() -> None:
    """The workers' rounds, until everything that is due has been sent."""
    for alias in ("slack", "oncall", "team", "slack"):
        courier = Courier(alias, start=lambda _name, call: call())
        for _ in range(60):
            if not courier.step():
                continue
            courier.step()
            break
        courier.close(5)


def rows() -> str:
    """Every row of every table but what was received and whom to tell."""
    found = []
    for model in apps.get_models():
        kept = {field.attname for field in model._meta.concrete_fields}
        kept -= {"body"} if model is WebhookEvent else {"key", "address"} if model is Target else set()
        found += [f"{model.__name__} {row}" for row in model._base_manager.values(*kept)]
    return "\n".join(found)


def messages(providers: Providers) -> str:
    """What the providers were sent, without their own credentials, which are in headers, and who it is for."""
    sent = [json.dumps(message, ensure_ascii=False) for message in providers.slack.messages]
    sent += [message["body"] for message in providers.twilio.messages]
    sent += [f"{mail['subject']} {mail['text']} {mail['html']} {mail['headers']}" for mail in providers.esp.messages]
    return "\n".join(sent)


def pages() -> str:
    headers = {"Authorization": f"Bearer {CONFIGURED['METRICS_TOKEN']}"}
    answers = [Client().get("/metrics", headers=headers), Client().get("/readyz"), Client().get("/healthz")]
    assert answers[0].status_code == 200
    return "\n".join(answer.content.decode() for answer in answers)


def leaks(text: str, *more: str) -> list[str]:
    plain = unquote_plus(text)
    return [canary for canary in (*ALL, *more) if canary in text or canary in plain]


def nothing_leaks(providers: Providers, logged: Callable[[], str]) -> None:
    places = {"rows": rows(), "messages": messages(providers), "pages": pages()}
    places |= {"logs": logged()}  # the last: the others may log
    for place, text in places.items():
        assert leaks(text, *ADDRESSES) == [], f"in the {place}"


def test_the_search_finds_what_is_there() -> None:
    row = received_with_canaries()
    assert leaks(row.body) != []
    assert leaks("password=canary57%20word") == ["canary57"]


def received_with_canaries() -> WebhookEvent:
    body = samples.snapshot("invoice.paid", **IN_BODY)
    assert deliver(body, secret=SECRET).status_code == 200
    return WebhookEvent.objects.get(event_id=body["id"])


def test_what_a_handlers_exception_quotes(providers: Providers, logged: Callable[[], str]) -> None:
    for number, (text, _) in enumerate(QUOTED.values()):
        fail_with(text, event_type=f"invoice.kind_{number}")
    tell()

    assert Alert.objects.count() == len(QUOTED)
    assert len([one for one in providers.slack.messages if "thread_ts" not in one]) == len(QUOTED)
    assert providers.twilio.messages
    assert len(providers.esp.messages) == len(QUOTED)
    nothing_leaks(providers, logged)


def test_the_sites_own_secrets_in_an_exception(providers: Providers, logged: Callable[[], str]) -> None:
    for number, secret in enumerate((*CONFIGURED.values(), *ANYMAIL.values(), *IN_ENVIRONMENT, SECRET)):
        fail_with(f"it was {secret} and no other", event_type=f"invoice.kind_{number}")
    tell()

    assert providers.esp.messages
    nothing_leaks(providers, logged)


def test_refused_requests_and_their_headers(providers: Providers, logged: Callable[[], str]) -> None:
    every = " ".join(text.replace("\n", " ") for text, _ in QUOTED.values())
    client = Client(
        headers={
            "Authorization": "Bearer canary56bearertoken",
            "Cookie": "session=canary57",
            "User-Agent": every,
            "Referer": "https://shop.example/?email=canary59.person@private.example",
        }
    )
    body = json.dumps(samples.snapshot("invoice.paid", **IN_BODY))
    answers = [
        deliver(body, secret="whsec_wrong", client=client),
        deliver(body, secret=SECRET, endpoint="canary61", client=client),
        deliver(json.dumps({"object": "event", "id": every, "type": every}), secret=SECRET, client=client),
        deliver(json.dumps(IN_BODY), secret=SECRET, client=client),
        client.post("/stripe/default/", data=every, content_type="text/plain", headers={"Stripe-Signature": every}),
        client.post("/notifier/twilio/status/", {"MessageSid": every}, headers={"X-Twilio-Signature": every}),
        client.post("/anymail/postmark/tracking/", data=every, content_type="application/json"),
        client.get("/metrics", headers={"Authorization": "Bearer canary56bearertoken"}),
    ]
    refusals.flush()

    assert {answer.status_code for answer in answers} == {400, 401, 403, 404}
    for answer in answers:
        assert leaks(answer.content.decode()) == []
    assert leaks(rows()) == []
    assert leaks(logged()) == []


def test_error_pages(monkeypatch: pytest.MonkeyPatch, logged: Callable[[], str]) -> None:
    every = "\n".join(text for text, _ in QUOTED.values())

    def broken(*_arguments: object) -> None:
        raise RuntimeError(every)

    monkeypatch.setattr(views, "verify", broken)
    client = Client(raise_request_exception=False)
    body = json.dumps(samples.snapshot("invoice.paid", **IN_BODY))

    server_error = deliver(body, secret=SECRET, client=client)
    not_found = client.get("/canary59.person@private.example/?token=canary56bearertoken")

    assert (server_error.status_code, not_found.status_code) == (500, 404)
    assert leaks(server_error.content.decode() + not_found.content.decode()) == []
    assert "RuntimeError" in logged()
    assert leaks(logged()) == []


def test_what_providers_answer(providers: Providers, logged: Callable[[], str]) -> None:
    quoted = "; ".join(text.replace("\n", " ") for text, _ in QUOTED.values())
    quoted = f"{ADDRESSES[0]} {ADDRESSES[1]} {' '.join(CONFIGURED.values())} {' '.join(ANYMAIL.values())} {quoted}"
    quoted = f"{' '.join(IN_ENVIRONMENT)} {quoted}"
    providers.slack.script({"status": 200, "body": {"ok": False, "error": f"invalid_auth {quoted}"}})
    providers.twilio.script({"status": 400, "body": {"code": 99999, "message": quoted, "status": 400}})
    providers.esp.script({"status": 422, "body": {"ErrorCode": 406, "Message": quoted}})
    fail_with("a bug")
    tell()

    assert Attempt.objects.filter(code="99999", detail__contains="[secret]").exists(), "Twilio's words are kept"
    nothing_leaks(providers, logged)


def test_what_other_code_says_in_an_alert(providers: Providers, logged: Callable[[], str]) -> None:
    for number, (text, _) in enumerate(QUOTED.values()):
        api.alert(text, key=f"k{number}", hint=text, message=text, context={"note": text}, exception=ValueError(text))
    api.alert("Payout is late", key="payout", exception=ValueError(QUOTED["email"][0]))
    tell()

    assert len(providers.esp.messages) == len(QUOTED) + 1
    nothing_leaks(providers, logged)


def test_the_digest(providers: Providers, logged: Callable[[], str]) -> None:
    for number, (text, _) in enumerate(QUOTED.values()):
        fail_with(text, event_type=f"invoice.kind_{number}")
    now = timezone.now()
    target = a_target(f"team:{ADDRESSES[1]}")
    Digest.objects.create(
        name="daily", target=target, starts_at=now - timedelta(days=1), ends_at=timezone.now(), due_at=now
    )
    tell()

    assert any("Stripe webhooks" in mail["subject"] for mail in providers.esp.messages)
    nothing_leaks(providers, logged)


def test_the_last_resort(logged: Callable[[], str], monkeypatch: pytest.MonkeyPatch) -> None:
    mailed: list[str] = []
    monkeypatch.setattr(last_resort, "_unsaid", {})
    monkeypatch.setattr(last_resort, "mail_admins", lambda subject, text: mailed.append(f"{subject}\n{text}"))
    fail_with(QUOTED["email"][0])
    alert = Alert.objects.get()

    resort.not_delivered(alert, "rejected")

    until(lambda: mailed)
    assert leaks("\n".join(mailed) + logged(), *ADDRESSES) == []
