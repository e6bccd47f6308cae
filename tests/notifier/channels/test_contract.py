"""What every channel that speaks HTTP must do when its provider, or the way to it, misbehaves."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from notifier.facts import DeliveryError, Receipt, Result
from tests.notifier.channels.conftest import HTTP_KINDS, MESSAGE, TIMEOUT, TOO_LATE, Rig
from tests.runtime.waiting import until

RETRY, REJECTED, UNCERTAIN = Result.RETRY, Result.REJECTED, Result.UNCERTAIN
Build = Callable[[str], Rig]

pytestmark = pytest.mark.parametrize("kind", HTTP_KINDS)


def nothing_leaks(rig: Rig, error: DeliveryError, logs: str) -> None:
    for secret in (*rig.secrets, rig.address):
        assert secret not in f"{error!s} {error!r} {error.detail} {logs}"
    assert "\n" not in error.detail
    assert error.__cause__ is None
    assert error.__context__ is None


def test_takes_a_message(kind: str, rig: Build) -> None:
    assert isinstance(rig(kind).channel.deliver(rig(kind).address, MESSAGE), Receipt)


@pytest.mark.parametrize(
    ("step", "result", "code"),
    [
        # Nobody knows what became of a request that was written.
        ({"broken": "reset"}, UNCERTAIN, "connection_lost"),
        ({"broken": "closed"}, UNCERTAIN, "connection_lost"),
        ({"broken": "halfway"}, UNCERTAIN, "unreadable_answer"),
        ({"broken": "garbage"}, UNCERTAIN, "unreadable_answer"),
        ({"delay": TOO_LATE}, UNCERTAIN, "timeout"),
        ({"body_delay": TOO_LATE}, UNCERTAIN, "timeout"),
        # The provider failed, or broke off behind whatever answers for it: perhaps after it had taken it.
        ({"status": 500}, UNCERTAIN, "http_500"),
        ({"status": 502, "body": "<html>\xff bad gateway"}, UNCERTAIN, "http_502"),
        ({"status": 504}, UNCERTAIN, "http_504"),
        ({"status": 524}, UNCERTAIN, "http_524"),
        # The provider, or something before it, says that it took nothing.
        ({"status": 503}, RETRY, "http_503"),
        ({"status": 408}, RETRY, "http_408"),
        ({"status": 429}, RETRY, "http_429"),
        ({"status": 400}, REJECTED, "http_400"),
        ({"status": 401}, REJECTED, "http_401"),
        ({"status": 404, "body": "<html>not here</html>"}, REJECTED, "http_404"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_says_what_a_failure_means(
    kind: str, rig: Build, step: dict[str, Any], result: Result, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    under_test = rig(kind)
    under_test.fake.script(step)
    if TOO_LATE in step.values():
        under_test.hurry()

    error = under_test.fails()

    assert (error.result, error.code) == (result, code)
    until(lambda: under_test.fake.received)  # on a busy machine the fake may read later than the client gives up
    assert len(under_test.fake.received) == 1, "a client of its own retried"
    nothing_leaks(under_test, error, caplog.text)


@pytest.mark.parametrize("body", ["", "null", "[1]", '"ok"', "7", "<html>please log in</html>", "{", "\udcff"])
def test_an_answer_that_is_not_the_providers_is_no_receipt(
    kind: str, rig: Build, body: str, caplog: pytest.LogCaptureFixture
) -> None:
    under_test = rig(kind)
    under_test.fake.script({"status": 200, "body": body})
    if (kind, body) == ("brevo", ""):  # https://developers.brevo.com: a success may have no body, and Anymail takes it
        assert under_test.channel.deliver(under_test.address, MESSAGE).provider_id
        return

    error = under_test.fails()

    # Slack's answer says `ok` or it is not Slack's; of the others a success may have been garbled on its way.
    assert error.result is (RETRY if kind.startswith("slack") else UNCERTAIN)
    nothing_leaks(under_test, error, caplog.text)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(kind: str, rig: Build, status: int) -> None:
    under_test = rig(kind)
    elsewhere = f"{under_test.fake.url}/elsewhere"
    under_test.fake.script({"status": status, "headers": {"Location": elsewhere}})

    error = under_test.fails()

    assert (error.result, error.code, error.target_dead) == (REJECTED, "redirected", False)
    assert [request["path"] for request in under_test.fake.received if "elsewhere" in request["path"]] == []


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7.0), ("0", 0.0), ("1.5", 1.5), ("soon", None), ("", None), ("-3", None), ("\xbd", None)],
)
def test_passes_on_how_long_to_wait(kind: str, rig: Build, header: str, seconds: float | None) -> None:
    under_test = rig(kind)
    under_test.fake.script({"status": 429, "headers": {"Retry-After": header}})

    assert under_test.fails().retry_after == seconds


def test_reads_a_date_to_wait_for(kind: str, rig: Build) -> None:
    under_test = rig(kind)
    at = datetime.now(UTC) + timedelta(seconds=90)
    under_test.fake.script({"status": 503, "headers": {"retry-after": format_datetime(at, usegmt=True)}})

    assert under_test.fails().retry_after == pytest.approx(89.5, abs=2)


def test_a_refused_connection_is_tried_again(kind: str, rig: Build, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    under_test = rig(kind)
    under_test.move(f"http://127.0.0.1:{port}")

    error = under_test.fails()

    assert (error.result, error.code) == (RETRY, "refused")
    nothing_leaks(under_test, error, caplog.text)


def test_a_failed_tls_handshake_is_tried_again(kind: str, rig: Build, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    under_test = rig(kind)
    under_test.move(under_test.fake.url.replace("http://", "https://"))

    error = under_test.fails()

    assert (error.result, error.code) == (RETRY, "tls")
    nothing_leaks(under_test, error, caplog.text)


def test_a_url_that_is_none_is_a_mistake_of_settings(kind: str, rig: Build, caplog: pytest.LogCaptureFixture) -> None:
    under_test = rig(kind)
    under_test.move("nonsense")

    error = under_test.fails()

    assert (error.result, error.code, error.target_dead) == (REJECTED, "invalid_configuration", True)
    nothing_leaks(under_test, error, caplog.text)


def test_gives_up_in_time(kind: str, rig: Build) -> None:
    channel = rig(kind).channel

    assert channel.timeout == TIMEOUT
    assert TIMEOUT <= channel.deadline <= 4 * TIMEOUT
