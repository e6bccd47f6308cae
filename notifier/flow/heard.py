"""The only writer of Heard: the answers to alerts that came in (a button, an SMS), and what each was answered."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.utils.crypto import salted_hmac

from alerts_runtime.database.retention import delete_some
from notifier.facts import storable
from notifier.models import Heard

FIRST_PAUSE = timedelta(seconds=1)  # after a request that failed; doubles each time


def begin(key: str, sender: str, now: datetime) -> tuple[Heard, bool]:
    """The row of a request; False when the request has been answered already. Within the caller's transaction.

    If two processes get the same request at once, one waits here until the other has committed.
    """
    return Heard.objects.get_or_create(key=storable(key, 100), defaults={"sender": _hidden(sender), "at": now})


def end(row: Heard, answer: str, *, understood: bool = True) -> None:
    """Store what a request was answered."""
    row.answer, row.understood = answer, understood
    row.save(update_fields=["answer", "understood"])


def costs(row: Heard, channel: str, parts: int) -> None:
    """Note that the answer is a message on that channel, of so many parts, for its budget: see outbox/budget.py."""
    row.channel, row.parts = channel, parts
    row.save(update_fields=["channel", "parts"])


def keep(key: str, sender: str, asked: Mapping[str, Any], now: datetime) -> bool:
    """Store a request for a worker; False when it was stored before."""
    defaults = {"sender": _hidden(sender), "at": now, "asked": asked, "due_at": now}
    return Heard.objects.get_or_create(key=storable(key, 100), defaults=defaults)[1]


def is_any_due(now: datetime) -> bool:
    """Whether a request waits. Unlike `next_due` this takes no lock: SQLite has only one for all writers."""
    return Heard.objects.filter(due_at__lte=now).exists()


def next_due(now: datetime) -> Heard | None:
    """The oldest waiting request, locked until the transaction ends. One that another worker has locked is left out."""
    due = Heard.objects.filter(due_at__lte=now).order_by("due_at")
    return due.select_for_update(skip_locked=connection.features.has_select_for_update_skip_locked).first()


def done(row: Heard, answer: str) -> None:
    """Store what a request was answered, and delete its response URL, by which anybody could post to the channel."""
    row.answer, row.asked, row.due_at = answer, {}, None
    row.save(update_fields=["answer", "asked", "due_at"])


def put_off(pk: int, now: datetime) -> int:
    """Put a request off that failed; how often it has failed."""
    row = Heard.objects.get(pk=pk)
    row.tries += 1
    row.due_at = now + FIRST_PAUSE * 2 ** min(row.tries, 10)
    row.save(update_fields=["tries", "due_at"])
    return row.tries


def give_up(pk: int, answer: str) -> None:
    """End a request that failed too often."""
    done(Heard.objects.get(pk=pk), answer)


def answer_to(test: int) -> str:
    """What the press of the button of a test message with this number was answered; empty for none."""
    done = Heard.objects.filter(answer__contains=f"(Test {test})").values_list("answer", flat=True)
    return done.first() or ""


def waits(test: int) -> bool:
    """Whether a press of that button has come in and no worker has answered it yet."""
    return Heard.objects.filter(due_at__isnull=False, asked__value=f"{test}:test:").exists()


def not_understood(sender: str, since: datetime) -> int:
    """How often a sender has been told since then that they were not understood."""
    told = Heard.objects.filter(sender=_hidden(sender), at__gte=since, understood=False).exclude(answer="")
    return told.count()


def answered(sender: str, since: datetime) -> int:
    """How often a sender has been answered since then."""
    return Heard.objects.filter(sender=_hidden(sender), at__gte=since).exclude(answer="").count()


def _hidden(sender: str) -> str:
    """A hash of a sender, who may be a stranger: it is enough to count their requests."""
    return salted_hmac("notifier.heard", sender, algorithm="sha256").hexdigest()[:40]


def prune(before: datetime) -> int:
    """Delete a batch of what was heard before then; how many rows."""
    return delete_some(Heard.objects.filter(at__lt=before))
