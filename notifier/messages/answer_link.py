"""Signed links for a recipient: to answer one alert, for a limited time, and to unsubscribe from digests."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

from django.core.signing import BadSignature, SignatureExpired, Signer, TimestampSigner
from django.urls import NoReverseMatch, reverse

LASTS = timedelta(days=3)
# Two salts, so that a link for one purpose is not valid for the other.
_SALT, _DIGESTS = "notifier.answer", "notifier.digests"


def token(notification: int) -> str:
    """The token of the page on which a recipient answers one alert."""
    return TimestampSigner(salt=_SALT).sign(str(notification))


def read(token: str) -> tuple[int, bool]:
    """The id of the notification, and whether the link is still valid; id 0 when the signature is wrong."""
    signer = TimestampSigner(salt=_SALT)
    try:
        return int(signer.unsign(token, max_age=LASTS)), True
    except SignatureExpired:
        return int(signer.unsign(token)), False
    except (BadSignature, ValueError):
        return 0, False


def unsubscribe_url(target: int, site_url: str) -> str:
    """Where a recipient unsubscribes from digests, for good; "" unless the site is reached by HTTPS (RFC 8058)."""
    if not site_url.startswith("https://"):
        return ""
    with suppress(NoReverseMatch):
        token = Signer(salt=_DIGESTS).sign(str(target))
        return site_url.rstrip("/") + reverse("notifier_pages:unsubscribe", args=[token])
    return ""


def read_unsubscribe(token: str) -> int:
    """The id of the recipient; 0 when the signature is wrong."""
    try:
        return int(Signer(salt=_DIGESTS).unsign(token))
    except (BadSignature, ValueError):
        return 0
