"""The receiver from outside: what Stripe and anybody else may post, and how it is answered."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.core.handlers.wsgi import WSGIRequest
from django.db import InterfaceError, OperationalError, connection
from django.test import Client, RequestFactory, override_settings
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from alerts_runtime.monitoring import watchdog
from alerts_runtime.wakeups import wake
from tests.webhooks.conftest import Change
from tests.webhooks.stripe_side import OLD_SECRET, SECRET, deliver, received, sign
from webhooks import samples
from webhooks.models import WebhookEvent
from webhooks.receive import refusals, store, views

URL = "/stripe/default/"
pytestmark = pytest.mark.django_db


def _post(body: bytes, header: str | None = None, url: str = URL, **extra: Any) -> Any:
    headers = {} if header is None else {"Stripe-Signature": header}
    return Client().post(url, data=body, content_type="application/json", headers=headers, **extra)


def test_a_verified_event_is_stored_as_it_came() -> None:
    payload = samples.snapshot("invoice.paid", livemode=True, account="acct_9")
    body = json.dumps(payload, indent=3, ensure_ascii=False) + "\n"
    response = _post(body.encode(), sign(body))
    assert (response.status_code, response.content) == (200, b"Stored.\n")
    row = WebhookEvent.objects.get()
    assert (row.event_id, row.type, row.kind) == (payload["id"], "invoice.paid", "snapshot")
    assert (row.endpoint, row.account, row.livemode) == ("default", "acct_9", True)
    assert (row.body, row.api_version) == (body, samples.API_VERSION)
    assert (row.state, row.attempts, row.deliveries) == ("pending", 0, 1)
    assert row.due_at == row.received_at == row.armed_at
    assert int(row.created.timestamp()) == payload["created"]


def test_a_thin_event_is_stored() -> None:
    assert deliver(samples.thin("v2.core.account[requirements].updated")).status_code == 200
    assert WebhookEvent.objects.get().kind == "thin"


def test_a_url_without_its_last_slash_is_not_redirected() -> None:
    body = json.dumps(samples.snapshot("invoice.paid"))
    assert _post(body.encode(), sign(body), url=URL.rstrip("/")).status_code == 200
    assert reverse("webhooks:receive", args=["default"]) == URL


@pytest.mark.parametrize("secret", [SECRET, OLD_SECRET])
def test_while_a_secret_is_rotated_both_are_good(secret: str) -> None:
    assert deliver(samples.snapshot("invoice.paid"), secret=secret).status_code == 200


def test_each_endpoint_has_its_own_secrets(webhooks_settings: Change) -> None:
    webhooks_settings(ENDPOINTS={"default": {"SECRETS": ["whsec_a"]}, "connect": {"SECRETS": ["whsec_b"]}})
    event = samples.snapshot("invoice.paid")
    assert deliver(event, secret="whsec_b", endpoint="default").status_code == 400
    assert deliver(event, secret="whsec_b", endpoint="connect").status_code == 200
    assert WebhookEvent.objects.get().endpoint == "connect"


def test_an_event_that_comes_to_two_endpoints_is_one_event(webhooks_settings: Change) -> None:
    webhooks_settings(ENDPOINTS={"default": {"SECRETS": ["whsec_a"]}, "connect": {"SECRETS": ["whsec_b"]}})
    event = samples.snapshot("invoice.paid")
    assert deliver(event, secret="whsec_a").status_code == 200
    assert deliver(event, secret="whsec_b", endpoint="connect").status_code == 200
    row = WebhookEvent.objects.get()
    assert (row.endpoint, row.deliveries) == ("default", 2)


# --- Statements ---------------------------------------------------------------------------------------------------


def _statements(event: dict[str, Any]) -> list[str]:
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert deliver(event).status_code == 200
    return [query["sql"] for query in captured.captured_queries]


@pytest.mark.parametrize("state", ["pending", "processing", "processed", "dead"])
def test_a_request_costs_at_most_two_statements(state: str) -> None:
    event = samples.snapshot("invoice.paid")
    assert 1 <= len(_statements(event)) <= 2
    WebhookEvent.objects.update(state=state)
    assert len(_statements(event)) == 2


@pytest.mark.parametrize(
    ("state", "after"), [("pending", "pending"), ("processing", "processing"), ("processed", "processed")]
)
def test_a_duplicate_is_counted_and_changes_nothing_else(state: str, after: str) -> None:
    event = samples.snapshot("invoice.paid")
    deliver(event)
    WebhookEvent.objects.update(state=state, attempts=2, due_at=None, token="t")
    before = WebhookEvent.objects.values().get()
    assert deliver(event).status_code == 200
    assert WebhookEvent.objects.values().get() == before | {"deliveries": 2, "state": after}


def test_a_duplicate_of_a_dead_event_arms_it_again() -> None:
    event = samples.snapshot("invoice.paid")
    deliver(event)
    WebhookEvent.objects.update(state="dead", attempts=4, earlier_attempts=1, due_at=None)
    before = WebhookEvent.objects.get()
    deliver(event)
    row = WebhookEvent.objects.get()
    assert (row.state, row.attempts, row.earlier_attempts, row.deliveries) == ("pending", 4, 4, 2)
    assert row.due_at == row.armed_at
    assert row.armed_at > before.armed_at
    assert row.received_at == before.received_at


# --- Refusals -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["get", "put", "patch", "delete", "head", "options"])
def test_only_post_is_allowed(method: str) -> None:
    response = getattr(Client(), method)(URL)
    assert (response.status_code, response["Allow"]) == (405, "POST")


def _refusals() -> dict[tuple[str, str], int]:
    return {(endpoint, reason): count for (endpoint, reason, _), count in refusals._counts.items()}


def test_each_refusal_has_its_status_says_why_and_is_counted() -> None:
    good = json.dumps(samples.snapshot("invoice.paid")).encode()
    table: list[tuple[Any, int, str, str, str]] = [
        (_post(good), 400, "missing", "default", "header is missing"),
        (_post(good, "t=1"), 400, "malformed", "default", "not of the form"),
        (_post(good, sign(good, "whsec_x")), 400, "no_match", "default", "No signature matches"),
        (_post(good, sign(good, SECRET, 1_000_000_000)), 400, "too_old", "default", "s old"),
        (_post(good, sign(good, SECRET, 9_000_000_000)), 400, "in_future", "default", "in the future"),
        (_post(b"\xff", sign(b"")), 400, "bad_encoding", "default", "not UTF-8"),
        (_post(b"[]", sign(b"[]")), 400, "malformed_event", "default", "not an object"),
        (_post(good, sign(good), url="/stripe/nobody/"), 404, "unknown_endpoint", views.UNKNOWN, "no such endpoint"),
        (_post(b"x" * 1_048_577, "t=1,v1=a"), 413, "too_large", "default", "larger than 1048576 bytes"),
    ]
    for response, status, reason, endpoint, says in table:
        assert response.status_code == status, reason
        assert says in response.content.decode()
        assert response["Content-Type"].startswith("text/plain")
        assert _refusals()[endpoint, reason] == 1
    assert not WebhookEvent.objects.exists()


def test_a_body_as_large_as_it_may_be_is_taken() -> None:
    event = samples.snapshot("invoice.paid", padding="")
    event["data"]["object"]["padding"] = "x" * (1_048_576 - len(json.dumps(event)))
    assert len(json.dumps(event)) == 1_048_576
    assert deliver(event).status_code == 200


def test_djangos_own_limit_on_bodies_does_not_matter() -> None:
    with override_settings(DATA_UPLOAD_MAX_MEMORY_SIZE=10):
        assert deliver(samples.snapshot("invoice.paid")).status_code == 200


class _Broken(io.BytesIO):
    def read(self, *_: Any) -> bytes:
        raise OSError("connection reset")


def _request(stream: io.BytesIO, **environ: Any) -> WSGIRequest:
    base = RequestFactory().post(URL).environ
    return WSGIRequest(base | {"wsgi.input": stream} | environ)


def test_a_connection_that_breaks_is_no_error_of_the_server() -> None:
    response = views.receive(_request(_Broken(), CONTENT_LENGTH="10"), "default")
    assert response.status_code == 400
    assert _refusals() == {("default", "unreadable"): 1}


@pytest.mark.parametrize("length", ["-1", "abc", "", "9" * 400, "1e3", "٣"])
def test_a_content_length_that_lies_is_answered(length: str) -> None:
    assert views.receive(_request(io.BytesIO(b"{}"), CONTENT_LENGTH=length), "default").status_code in (400, 413)


def test_no_more_of_a_body_is_read_than_is_allowed() -> None:
    stream = io.BytesIO(b"x" * 5_000_000)
    request = _request(stream, CONTENT_LENGTH="1000")
    request._stream = stream  # as ASGI gives it: with no length that could be trusted
    assert views.receive(request, "default").status_code == 413
    assert stream.tell() == 1_048_577


@pytest.mark.parametrize("error", [OperationalError("server closed the connection"), InterfaceError("closed")])
def test_when_the_database_is_away_stripe_is_asked_to_come_again(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise error

    monkeypatch.setattr(store, "store", away)
    response = deliver(samples.snapshot("invoice.paid"))
    assert (response.status_code, response["Retry-After"]) == (503, views.RETRY_AFTER)
    assert "closed" not in response.content.decode()


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no server that could close a connection")
def test_a_kept_connection_that_the_server_has_closed_costs_no_delivery() -> None:
    connection.ensure_connection()
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [connection.connection.info.backend_pid])
    other.close()
    assert received().deliveries == 1


def test_the_worker_is_woken_once_and_the_watchdog_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []
    monkeypatch.setattr(wake, "wake", called.append)
    monkeypatch.setattr(watchdog, "look", lambda: called.append("look"))
    event = samples.snapshot("invoice.paid")
    deliver(event)
    assert called == ["events", "look"]
    deliver(event)
    assert called == ["events", "look", "look"]


# --- Whatever anybody sends ---------------------------------------------------------------------------------------

ANYTHING = hypothesis_settings(
    max_examples=60,
    # The rows of one example may stay for the next: each looks only at what it changed.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
GOOD = json.dumps(samples.snapshot("invoice.paid")).encode()


def _stays_empty(check: Callable[[], Any]) -> None:
    before = WebhookEvent.objects.count()
    response = check()
    assert 200 <= response.status_code < 500
    if response.status_code >= 300:
        assert WebhookEvent.objects.count() == before
    assert SECRET.encode() not in response.content


@ANYTHING
@given(st.binary(max_size=3000), st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=300))
def test_random_requests_are_refused(body: bytes, header: str) -> None:
    response = _post(body, header)
    assert response.status_code == 400
    assert not WebhookEvent.objects.exists()


@ANYTHING
@given(st.binary(max_size=500))
def test_random_signed_bodies_are_refused(body: bytes) -> None:
    text = body.decode("utf-8", "ignore")
    _stays_empty(lambda: _post(text.encode(), sign(text)))


@ANYTHING
@given(st.integers(0, len(GOOD) - 1), st.integers(0, 127))
def test_signed_bodies_with_a_changed_byte_never_break_it(position: int, byte: int) -> None:
    body = GOOD[:position] + bytes([byte]) + GOOD[position + 1 :]
    _stays_empty(lambda: _post(body, sign(body)))


@ANYTHING
@given(st.integers(0, len(GOOD) - 1))
def test_signed_bodies_that_were_cut_off_are_refused(length: int) -> None:
    assert _post(GOOD[:length], sign(GOOD[:length])).status_code == 400


_texts = st.text(max_size=30) | st.sampled_from(
    ["\u0000", "a\u0000b", "\ud800", "\udfff\ud800", "evt_\u202e", "x" * 300]
)
_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats() | _texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts, inner, max_size=3),
    max_leaves=8,
)
_keys = st.sampled_from([*samples.snapshot("invoice.paid"), "account", "context", "related_object", "reason"])


@ANYTHING
@given(st.dictionaries(_keys, _json, min_size=1, max_size=4), st.booleans())
def test_signed_events_with_any_values_never_break_it(changes: dict[str, Any], is_thin: bool) -> None:
    event = samples.thin("v1.billing.meter.no_meter_found") if is_thin else samples.snapshot("invoice.paid")
    body = json.dumps(event | changes)
    _stays_empty(lambda: _post(body.encode(), sign(body)))


@pytest.mark.parametrize("is_signed", [True, False])
def test_a_huge_body_is_too_large(is_signed: bool) -> None:
    body = json.dumps(samples.snapshot("invoice.paid", padding="x" * 2_700_000)).encode()
    assert _post(body, sign(body) if is_signed else "t=1,v1=a").status_code == 413
    assert not WebhookEvent.objects.exists()


@pytest.mark.parametrize(
    "header", ["t=" + "9" * 60_000, "v1=" + "a" * 60_000, ",".join(["t=1,v1=b"] * 8000), "=" * 9000, "\x7f"]
)
def test_absurd_headers_are_refused(header: str) -> None:
    assert _post(GOOD, header).status_code == 400


def test_a_deeply_nested_signed_body_is_refused() -> None:
    body = '{"object":"event","data":' + "[" * 300_000 + "]" * 300_000 + "}"
    assert _post(body.encode(), sign(body)).status_code == 400
