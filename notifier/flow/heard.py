"""The only writer of Heard: which requests with somebody's words were answered, and whose were not understood."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.utils.crypto import salted_hmac

from alerts_runtime.database.retention import delete_some
from notifier.facts import storable
from notifier.models import Heard

FIRST_PAUSE = timedelta(seconds=1)  # after a request that could not be done; doubles


def begin(key: str, sender: str, now: datetime) -> tuple[Heard, bool]:
    """The row of a request, within the transaction of what it does; False: it has been answered already.

    Of two that bring the same request at once one waits here until the other has answered.
    """
    return Heard.objects.get_or_create(key=storable(key, 100), defaults={"sender": _hidden(sender), "at": now})


def end(row: Heard, answer: str, *, understood: bool = True) -> None:
    """What was answered."""
    row.answer, row.understood = answer, understood
    row.save(update_fields=["answer", "understood"])


def costs(row: Heard, channel: str, parts: int) -> None:
    """Its answer is a message of that channel, of so many parts: see outbox/budget.py."""
    row.channel, row.parts = channel, parts
    row.save(update_fields=["channel", "parts"])


def keep(key: str, sender: str, asked: Mapping[str, Any], now: datetime) -> bool:
    """Keep a request for a worker; False: it has been kept before."""
    defaults = {"sender": _hidden(sender), "at": now, "asked": asked, "due_at": now}
    return Heard.objects.get_or_create(key=storable(key, 100), defaults=defaults)[1]


def is_any_due(now: datetime) -> bool:
    """Whether a request waits. To ask this takes no lock, of which SQLite has one for all who write."""
    return Heard.objects.filter(due_at__lte=now).exists()


def next_due(now: datetime) -> Heard | None:
    """The oldest request that waits, locked until the transaction ends; one that another worker has is left to it."""
    due = Heard.objects.filter(due_at__lte=now).order_by("due_at")
    return due.select_for_update(skip_locked=connection.features.has_select_for_update_skip_locked).first()


def done(row: Heard, answer: str) -> None:
    """What was answered. Where to is forgotten: it lets anybody post there."""
    row.answer, row.asked, row.due_at = answer, {}, None
    row.save(update_fields=["answer", "asked", "due_at"])


def put_off(pk: int, now: datetime) -> int:
    """It could not be done: try again in a while. How often that was so."""
    row = Heard.objects.get(pk=pk)
    row.tries += 1
    row.due_at = now + FIRST_PAUSE * 2 ** min(row.tries, 10)
    row.save(update_fields=["tries", "due_at"])
    return row.tries


def give_up(pk: int, answer: str) -> None:
    """Nobody tries it again."""
    done(Heard.objects.get(pk=pk), answer)


def answer_to(test: int) -> str:
    """What was answered to who pressed the button of a test message with this number."""
    done = Heard.objects.filter(answer__contains=f"(Test {test})").values_list("answer", flat=True)
    return done.first() or ""


def waits(test: int) -> bool:
    """Whether the press of that button has come, and nobody has done it."""
    return Heard.objects.filter(due_at__isnull=False, asked__value=f"{test}:test:").exists()


def not_understood(sender: str, since: datetime) -> int:
    """How often a sender was told since then that they were not understood."""
    told = Heard.objects.filter(sender=_hidden(sender), at__gte=since, understood=False).exclude(answer="")
    return told.count()


def answered(sender: str, since: datetime) -> int:
    """How often a sender was answered since then."""
    return Heard.objects.filter(sender=_hidden(sender), at__gte=since).exclude(answer="").count()


def _hidden(sender: str) -> str:
    """A stranger's number is nothing to keep: who it is need only be seen to be the same."""
    return salted_hmac("notifier.heard", sender, algorithm="sha256").hexdigest()[:40]


def prune(before: datetime) -> int:
    """Delete a batch of what was heard before then; how many rows."""
    return delete_some(Heard.objects.filter(at__lt=before))
