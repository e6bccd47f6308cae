"""Notes to a person about a rotation, such as of a handover."""

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
    """Plan a note to each person who can be reached, once per moment. Within the caller's transaction."""
    for person in people:
        target = reach(person, rotation, policy)
        if target is None:
            log.warning("oncall.note_not_planned", rotation=rotation, person=person, note=kind)
        elif digests.note(kind, rotation, target, moment, now, about):
            transaction.on_commit(partial(wake, f"deliver-{target.channel}"))
