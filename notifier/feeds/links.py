"""The only writer of CalendarLink: the secret addresses of calendars, which can be renewed.

An address is signed with SECRET_KEY and is not in the database. What is signed has a number, which the database keeps:
renewing raises it, and every earlier address then leads nowhere.
"""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.db.models import F
from django.urls import reverse
from django.utils.crypto import constant_time_compare, salted_hmac

from notifier.models import CalendarLink

LENGTH = 40  # 160 bits


def path_of(rotation: str, person: str = "") -> str:
    """The path of a person's own shifts in a rotation, or of everybody's."""
    token = _token(rotation, person, _number(rotation, person), settings.SECRET_KEY)
    if person:
        return reverse("notifier:calendar_mine", args=(rotation, person, token))
    return reverse("notifier:calendar_all", args=(rotation, token))


def is_valid(token: str, rotation: str, person: str = "") -> bool:
    number = _number(rotation, person)
    keys = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    return any(constant_time_compare(token, _token(rotation, person, number, key)) for key in keys)


def renew(rotation: str, person: str, now: datetime) -> None:
    """Make new addresses; those that were given out before lead nowhere from now on."""
    row, _ = CalendarLink.objects.get_or_create(rotation=rotation, person=person, defaults={"renewed_at": now})
    CalendarLink.objects.filter(pk=row.pk).update(number=F("number") + 1, renewed_at=now)


def _number(rotation: str, person: str) -> int:
    found = CalendarLink.objects.filter(rotation=rotation, person=person).values_list("number", flat=True).first()
    return found or 0


def _token(rotation: str, person: str, number: int, key: str) -> str:
    signed = salted_hmac("notifier.feeds", f"{rotation}\n{person}\n{number}", secret=key, algorithm="sha256")
    return signed.hexdigest()[:LENGTH]
