"""What a send attempt writes on its notifications: what their target was told, or when to try again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from alerts_runtime.isolation import backoff
from alerts_runtime.redaction.redact import redact
from notifier.facts import DeliveryError, HeldBy, Reason, Receipt, Result
from notifier.judge import timing
from notifier.judge.policy import Policy
from notifier.models import AttemptPart, Notification, Target
from notifier.outbox.plans import next_for, urgency

# Only the age of three days ends the tries. The pause between them grows to five minutes, which is how late a message
# can be once its provider answers again. A provider that is down is tried as `targets.failed` says for its target.
RETRIES = backoff.policy(attempts=1000, max_age=timedelta(days=3).total_seconds(), longest=300)


def set_told(row: Notification, part: AttemptPart, receipt: Receipt, policy: Policy, now: datetime) -> None:
    state, reason = row.alert.state, Reason(part.reason)
    row.sending = None
    row.window = timing.window_after(reason, row.told, state)
    row.told_seq, row.told_severity, row.told_at = part.to_seq, part.severity, now
    row.told_resolved = reason is Reason.RESOLVED
    row.told_answer = max(row.told_answer, part.answer)
    row.told_level = min(part.level, row.level)  # row.level is lower if the escalation restarted meanwhile
    row.sent += 1
    row.thread = receipt.thread or row.thread  # a new one: the first message could not be edited any more
    row.tries, row.trying_since, row.last_error = 0, None, ""
    row.held_by, row.held_ref, row.held_since = "", "", None
    due = next_for(row, state, policy, now)
    row.due_at = due.at if due else None
    if due is not None:
        row.reason, row.urgency = due.reason.value, urgency(due.reason, state.subject.severity, row.sent)


def set_failed(
    rows: Sequence[Notification], error: DeliveryError, target: Target, policy: Policy, now: datetime
) -> None:
    """Set when the notifications of one failed message are tried again: all at once, and before their failover."""
    failing = target.is_failing
    for row in rows:
        row.sending = None
        row.tries += 1
        # While its target fails, a notification has been waiting since it was due, not only since its own first try.
        row.trying_since = row.trying_since or (min(row.due_at, now) if failing and row.due_at else now)
        row.last_error = f"{error.code}: {redact(error.detail, limit=300)}"[:500]
    tries = max((row.tries for row in rows), default=1)
    since = min((row.trying_since for row in rows if row.trying_since), default=now)
    again = next_try(error, tries, since, now)
    for row in rows:
        # A rejected one stays due: the guards then divert it, even if this worker dies at this point.
        row.due_at, row.rejected = again or now, again is None
    channel = policy.channels.get(target.channel)
    if again and channel is not None and not any(row.held_by == HeldBy.DIVERTED for row in rows):
        for row in rows:
            row.due_at = max(now, since + min(again - since, channel.failover_after))


def next_try(error: DeliveryError, tries: int, since: datetime, now: datetime) -> datetime | None:
    """When to send again; None: not to this target any more, so that the notification has to be diverted.

    A pause that the provider asks for holds the whole target, not this notification: see targets.failed.
    """
    if error.result is Result.REJECTED:
        return None
    decision = backoff.decide(RETRIES, error=error, attempt=tries, age=(now - since).total_seconds())
    return None if decision.delay is None else now + timedelta(seconds=decision.delay)
