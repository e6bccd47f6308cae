"""Writes what somebody answered into the alert's log."""

from __future__ import annotations

from datetime import datetime

from notifier.alerts.log import append
from notifier.answers.commands import NEWS, Asker, Command
from notifier.models import Alert, LogEntry


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
    return append(
        alert,
        command.verb,
        now,
        who=asker.person,
        through=asker.through,
        address=asker.address,
        changed=changed,
        news=changed and command.verb in NEWS,  # that an alert is over is told by another way
        outcome=outcome,
        until=until,
        detail=detail,
        uninvited=uninvited,
        text=command.text,
    )
