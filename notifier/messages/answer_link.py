"""The signed link by which a recipient can answer: of one alert and one recipient, for a time and for nothing else."""

from __future__ import annotations

from datetime import timedelta

from django.core.signing import BadSignature, SignatureExpired, TimestampSigner

LASTS = timedelta(days=3)
_SALT = "notifier.answer"  # what is signed for another purpose opens nothing here


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
