"""The only writer of LogEntry: what was said of an alert, by whom, and what became of it. It only appends."""

from __future__ import annotations

from datetime import datetime

from alerts_runtime.redaction.masking import masked
from alerts_runtime.redaction.redact import redact
from notifier.answers.commands import NEWS, Asker, Command
from notifier.models import Alert, LogEntry

WORDS = 2000  # characters of a comment


def write(
    alert: Alert,
    command: Command,
    asker: Asker,
    now: datetime,
    *,
    changed: bool,
    outcome: str,
    until: datetime | None = None,
    detail: str = "",
    uninvited: bool = False,
) -> LogEntry:
    """Append an entry, within the transaction of what it tells of."""
    return LogEntry.objects.create(
        alert=alert,
        at=now,
        who=storable(asker.person)[:150],
        through=asker.through,
        address=masked(storable(asker.address))[:200] if asker.address else "",
        verb=command.verb.value,
        changed=changed,
        # That it is over they are told anyway.
        news=changed and command.verb in NEWS,
        outcome=redact(outcome, limit=300),
        detail=redact(detail, limit=300),
        until=until,
        uninvited=uninvited,
        text=redact(storable(command.text), limit=WORDS),
    )


def storable(text: str) -> str:
    """A text that every database takes: without NUL and lone surrogates."""
    return text.encode(errors="replace").decode().replace("\0", "")
