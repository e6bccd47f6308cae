"""The only writer of Heard: which requests with somebody's words were answered, and whose were not understood."""

from __future__ import annotations

from datetime import datetime

from django.utils.crypto import salted_hmac

from alerts_runtime.database.retention import delete_some
from notifier.facts import storable
from notifier.models import Heard


def begin(key: str, sender: str, now: datetime) -> tuple[Heard, bool]:
    """The row of a request, within the transaction of what it does; False: it has been answered already.

    Of two that bring the same request at once one waits here until the other has answered.
    """
    return Heard.objects.get_or_create(key=storable(key, 100), defaults={"sender": _hidden(sender), "at": now})


def end(row: Heard, answer: str, *, understood: bool = True) -> None:
    """What was answered."""
    row.answer, row.understood = answer, understood
    row.save(update_fields=["answer", "understood"])


def not_understood(sender: str, since: datetime) -> int:
    """How often a sender was told since then that they were not understood."""
    told = Heard.objects.filter(sender=_hidden(sender), at__gte=since, understood=False).exclude(answer="")
    return told.count()


def _hidden(sender: str) -> str:
    """A stranger's number is nothing to keep: who it is need only be seen to be the same."""
    return salted_hmac("notifier.heard", sender).hexdigest()


def prune(before: datetime) -> int:
    """Delete a batch of what was heard before then; how many rows."""
    return delete_some(Heard.objects.filter(at__lt=before))
