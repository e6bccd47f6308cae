"""verify: a table of (body, header, secrets, time) -> accepted, or the named reason."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import stripe
from hypothesis import given
from hypothesis import strategies as st

from alerts_runtime.stripe_data.signature import verify
from tests.webhooks.stripe_side import OLD_SECRET, SECRET, sign
from webhooks.exceptions import BadSignature

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
T = int(NOW.timestamp())
BODY = '{"id": "evt_1", "name": "Zoë"}'


def _reason(body: bytes, header: str, secrets: tuple[str, ...] = (SECRET,), at: datetime = NOW) -> str:
    try:
        verify(body, header, secrets, 300, at)
    except BadSignature as refused:
        leaks = [secret for secret in (SECRET, OLD_SECRET) if secret in str(refused)]
        return "leaks a secret" if leaks else refused.reason
    return "accepted"


@pytest.mark.parametrize(
    ("header", "secrets", "reason"),
    [
        pytest.param(sign(BODY, SECRET, T), (SECRET,), "accepted", id="signed now"),
        pytest.param(sign(BODY, OLD_SECRET, T), (SECRET, OLD_SECRET), "accepted", id="signed with the second secret"),
        pytest.param(sign(BODY, SECRET, T - 300), (SECRET,), "accepted", id="as old as it may be"),
        pytest.param(sign(BODY, SECRET, T - 301), (SECRET,), "too_old", id="a second too old: a replay"),
        pytest.param(sign(BODY, SECRET, T + 300), (SECRET,), "accepted", id="as far ahead as it may be"),
        pytest.param(sign(BODY, SECRET, T + 301), (SECRET,), "in_future", id="a second too far ahead"),
        pytest.param(sign(BODY, SECRET, 10**14), (SECRET,), "in_future", id="in milliseconds"),
        pytest.param(f"t={T},v1=00,{sign(BODY, SECRET, T)[13:]}", (SECRET,), "accepted", id="one of two v1 matches"),
        pytest.param(sign(BODY, "whsec_other", T), (SECRET,), "no_match", id="signed by somebody else"),
        pytest.param(sign(BODY, "whsec_other", 0), (SECRET,), "no_match", id="wrong and old: the wrong one is told"),
        pytest.param(sign(BODY + " ", SECRET, T), (SECRET,), "no_match", id="another body was signed"),
        pytest.param(sign(BODY, SECRET, T), (), "no_secret", id="no secret configured"),
        pytest.param("", (SECRET,), "missing", id="no header"),
        pytest.param("nonsense", (SECRET,), "malformed", id="no pairs"),
        pytest.param(f"t={T}", (SECRET,), "malformed", id="no signature"),
        pytest.param("v1=abc", (SECRET,), "malformed", id="no time"),
        pytest.param("t=,v1=abc", (SECRET,), "malformed", id="empty time"),
        pytest.param("t=-1,v1=abc", (SECRET,), "malformed", id="negative time"),
        pytest.param(f"t={'9' * 5000},v1=abc", (SECRET,), "malformed", id="time beyond int()'s limit"),
        pytest.param("t=٣,v1=abc", (SECRET,), "malformed", id="digits that are not ASCII"),
        pytest.param(f"t={T},v1=é", (SECRET,), "malformed", id="signature that compare_digest cannot take"),
        pytest.param(f"t={T},v0=abc", (SECRET,), "malformed", id="only the test scheme v0"),
        pytest.param(f"t={T},v1", (SECRET,), "malformed", id="v1 without a value"),
    ],
)
def test_each_header_is_accepted_or_refused_by_name(header: str, secrets: tuple[str, ...], reason: str) -> None:
    assert _reason(BODY.encode(), header, secrets) == reason


@pytest.mark.skipif(
    not hasattr(stripe.WebhookSignature, "generate_signature_header"), reason="this stripe has no function for it"
)
@pytest.mark.parametrize("body", ["{}", "ä€", ""])
def test_what_is_signed_here_is_what_stripe_would_sign(body: str) -> None:
    theirs = stripe.WebhookSignature.generate_signature_header(body, SECRET, timestamp=1_795_780_000)
    assert sign(body, at=1_795_780_000) == theirs


def test_a_body_that_is_not_utf8_is_refused() -> None:
    assert _reason(b"\xff\xfe{}", sign("{}", SECRET, T)) == "bad_encoding"


@given(st.binary(max_size=200), st.text(max_size=200))
def test_nothing_that_was_not_signed_passes_and_nothing_else_is_raised(body: bytes, header: str) -> None:
    assert _reason(body, header) != "accepted"


@given(st.text(max_size=200), st.integers(-300, 300))
def test_whatever_was_signed_within_the_tolerance_passes(body: str, age: int) -> None:
    assert _reason(body.encode("utf-8", "ignore"), sign(body.encode("utf-8", "ignore"), SECRET, T - age)) == "accepted"


def test_the_tolerance_is_measured_from_the_time_given() -> None:
    header = sign(BODY, SECRET, T)
    assert _reason(BODY.encode(), header, at=NOW + timedelta(seconds=301)) == "too_old"
    assert _reason(BODY.encode(), header, at=NOW - timedelta(seconds=301)) == "in_future"
