"""Signs, and verifies: (body, header, secrets, tolerance, now) -> the secret or BadSignature. Pure.

Stripe's scheme: https://docs.stripe.com/webhooks#verify-manually
"""

from __future__ import annotations

import hmac
from collections.abc import Collection
from datetime import datetime

from alerts_runtime.stripe_data.refused import BadSignature


def header(body: str, secret: str, at: int) -> str:
    """What Stripe would send with this body at that second. Early releases of stripe 15 have no function for it."""
    signature = hmac.new(secret.encode(), f"{at}.{body}".encode(), "sha256").hexdigest()
    return f"t={at},v1={signature}"


def verify(body: bytes, header: str, secrets: Collection[str], tolerance: int, now: datetime) -> str:
    """The secret that signed this body within `tolerance` seconds of `now`; raise BadSignature if none did.

    Reasons: missing, malformed, bad_encoding, no_secret, no_match, too_old, in_future. No error holds a secret.
    """
    timestamp = _timestamp(header)
    if not secrets:
        raise BadSignature("This endpoint has no signing secret.", reason="no_secret")
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise BadSignature("The body is not UTF-8.", reason="bad_encoding") from None
    signer = next((secret for secret in secrets if _signed(text, header, secret)), None)
    if signer is None:
        raise BadSignature(
            "No signature matches: the endpoint's signing secret differs, or the body was changed.",
            reason="no_match",
        )
    _check_age(int(now.timestamp()) - timestamp, tolerance)
    return signer


def _signed(text: str, header: str, secret: str) -> bool:
    import stripe  # here, as all that it imports is a sixth of a process's start (measured); workers verify nothing

    try:
        # Its own tolerance stays off: it lets a timestamp in the future pass and reads the system's clock.
        stripe.WebhookSignature.verify_header(text, header, secret)
    except stripe.SignatureVerificationError:
        return False
    return True


def _timestamp(header: str) -> int:
    """The first `t=`, as Stripe's own reader takes it; comparing non-ASCII signatures would raise TypeError there."""
    if not header:
        raise BadSignature("The Stripe-Signature header is missing.", reason="missing")
    pairs = [item.split("=", 2) for item in header.split(",")]
    times = [pair[1] for pair in pairs if pair[0] == "t" and len(pair) > 1]
    signatures = [pair for pair in pairs if pair[0] == "v1" and len(pair) > 1]
    if not header.isascii() or not times or not signatures or not times[0].isdigit() or len(times[0]) > 15:
        raise BadSignature("The Stripe-Signature header is not of the form t=...,v1=...", reason="malformed")
    return int(times[0])


def _check_age(age: int, tolerance: int) -> None:
    if age > tolerance:
        raise BadSignature(
            f"The signature is {age} s old, more than {tolerance} s: a replay, or this clock is fast.",
            reason="too_old",
        )
    if age < -tolerance:
        raise BadSignature(
            f"The signature is {-age} s in the future, more than {tolerance} s: this clock is slow.",
            reason="in_future",
        )
