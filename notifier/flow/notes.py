"""Word to a person about a rotation, apart from alerts."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import partial

from django.db import transaction

from alerts_runtime.redaction.loggers import get_logger
from alerts_runtime.wakeups.wake import wake
from notifier.facts import Note
from notifier.judge.policy import Policy
from notifier.oncall.present import reach
from notifier.outbox import digests

log = get_logger(__name__)


def plan(
    kind: Note, rotation: str, people: Iterable[str], moment: datetime, policy: Policy, now: datetime, about: int = 0
) -> None:
    """A note to each who can be reached, once for a moment, within the caller's transaction."""
    for person in people:
        target = reach(person, rotation, policy)
        if target is None:
            log.warning("oncall.note_not_planned", rotation=rotation, person=person, note=kind)
        elif digests.note(kind, rotation, target, moment, now, about):
            transaction.on_commit(partial(wake, f"deliver-{target.channel}"))
