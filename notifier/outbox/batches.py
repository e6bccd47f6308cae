"""What the next message to a recipient is about: one alert, a list of alerts, or news of a message already there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from notifier.channels.base import Channel as Provider
from notifier.facts import Reason, Severity
from notifier.judge import throttle
from notifier.judge.policy import Limits
from notifier.judge.throttle import Allowed
from notifier.models import Attempt, Notification
from notifier.outbox import past_tries

Cleared = tuple[Notification, Reason]
# How soon a full rate is looked at again for what is new and critical.
LOOK_AGAIN = timedelta(minutes=1)
_NEWS = (Reason.FIRST, Reason.RAISED, Reason.REOPENED, Reason.ESCALATED)

_BEGINS = (Reason.FIRST.value, Reason.ESCALATED.value)


@dataclass(frozen=True, slots=True)
class History:
    """What went to a recipient lately."""

    sent: Sequence[datetime]
    posts: Sequence[datetime]  # those that began a new message, where the channel edits news into an earlier one

    @classmethod
    def of(cls, target_id: int, limits: Limits, provider: type[Provider] | Provider, now: datetime) -> History:
        handful = (provider.HANDFUL,) if provider.HANDFUL else ()
        since = throttle.prune_before((*limits.windows, *limits.critical, *handful), now)
        found = past_tries.sent_since(target_id, since)
        posts = [at for at, reason in found if reason in _BEGINS or not provider.can_edit]
        return cls([at for at, _ in found], posts)


def next_batch(
    cleared: Sequence[Cleared],
    provider: type[Provider] | Provider,
    limits: Limits,
    history: History | None,
    now: datetime,
) -> tuple[list[Cleared], Allowed | None]:
    """The next message's alerts; or none, and when the next message may go.

    `history` is None where no rate is set: then alerts go together only on a channel that always folds them.
    """
    if history is not None:
        allowed = _allowed(cleared, limits, history, now)
        if allowed.at > now:
            return [], allowed
    if not provider.can_fold or (provider.HANDFUL and history is None):
        return list(cleared[:1]), None
    if history is None or provider.HANDFUL is None:
        return list(cleared), None
    begins = throttle.next_post(history.posts, provider.HANDFUL, now)
    if limits.critical:  # CRITICAL_RATES let a critical alert begin a message at once
        begins = Allowed(now, None)
    return _in_lists(cleared, provider, begins, history, now)


def _allowed(cleared: Sequence[Cleared], limits: Limits, history: History, now: datetime) -> Allowed:
    """When the next message may go. What is new and critical has a rate of its own beside the common one."""
    allowed = throttle.next_allowed(limits.windows, history.sent, now)
    if allowed.at <= now or not limits.critical:
        return allowed
    if any(reason in _NEWS and row.alert.severity == Severity.CRITICAL for row, reason in cleared):
        return min(allowed, throttle.next_allowed(limits.critical, history.sent, now), key=lambda one: one.at)
    return Allowed(min(allowed.at, now + LOOK_AGAIN), allowed.window)


def _in_lists(
    cleared: Sequence[Cleared],
    provider: type[Provider] | Provider,
    begins: Allowed,
    history: History,
    now: datetime,
) -> tuple[list[Cleared], Allowed | None]:
    """A handful of new alerts go one by one, the rest as one list. News is edited into the message that told of it."""
    standing = [one for one in cleared if provider.can_edit and one[0].thread]
    if standing and (begins.at > now or cleared[0] == standing[0]):
        row, _ = standing[0]
        return [one for one in standing if one[0] is row or (row.listed and one[0].thread == row.thread)], None
    if begins.at > now:
        return [], begins
    fresh = [one for one in cleared if one not in standing]
    together = provider.HANDFUL is not None and throttle.folds(len(fresh), history.posts, provider.HANDFUL, now)
    return (fresh if together else fresh[:1]), None


def as_before(batch: Sequence[Cleared]) -> tuple[list[Cleared], Attempt | None]:
    """If the batch has alerts of a message of unknown outcome: these alone, and the attempt of that message."""
    for row, _ in batch:
        before = past_tries.last_uncertain(row)
        if before is not None:
            told = past_tries.rows_told(before)
            return [one for one in batch if one[0].pk in told], before
    return list(batch), None
