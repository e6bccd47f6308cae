"""Signed links of a recipient: to answer one alert, for a time; to unsubscribe from digests. Each for nothing else."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

from django.core.signing import BadSignature, SignatureExpired, Signer, TimestampSigner
from django.urls import NoReverseMatch, reverse

LASTS = timedelta(days=3)
# What is signed for one purpose opens nothing that is for the other.
_SALT, _DIGESTS = "notifier.answer", "notifier.digests"


def token(notification: int) -> str:
    """What opens the page for what one recipient was told of one alert."""
    return TimestampSigner(salt=_SALT).sign(str(notification))


def read(token: str) -> tuple[int, bool]:
    """The notification, and whether the link is still to be used; 0 when it was not made here."""
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
    """The recipient; 0 when the link was not made here."""
    try:
        return int(Signer(salt=_DIGESTS).unsign(token))
    except (BadSignature, ValueError):
        return 0
