"""The only writer of LogEntry: what people said of an alert, and its escalation steps. Entries are only appended."""

from __future__ import annotations

from datetime import datetime

from alerts_runtime.redaction.masking import masked
from alerts_runtime.redaction.redact import redact
from notifier.facts import Verb, storable
from notifier.models import Alert, LogEntry

WORDS = 10_000  # characters of a comment


def append(
    alert: Alert,
    verb: Verb,
    now: datetime,
    *,
    who: str = "",
    through: str = "",
    address: str = "",
    changed: bool = True,
    news: bool = False,
    outcome: str = "",
    detail: str = "",
    until: datetime | None = None,
    uninvited: bool = False,
    text: str = "",
) -> LogEntry:
    """Append an entry, in the same transaction as the change that it tells of."""
    return LogEntry.objects.create(
        alert=alert,
        at=now,
        who=storable(who, 150),
        through=through,
        address=masked(storable(address, 200)) if address else "",
        verb=verb.value,
        changed=changed,
        news=news,
        outcome=redact(outcome, limit=300),
        detail=redact(detail, limit=300),
        until=until,
        uninvited=uninvited,
        text=redact(storable(text, 10 * WORDS), limit=WORDS),
    )
