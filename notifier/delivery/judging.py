"""Judges each due notification: it may go, or it is held, diverted, postponed or dropped.

One that may not go is judged a second time with its alert locked, and written in the same transaction. So a failure
that is counted at the same moment is either seen here, or sees what was written here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from django.db import transaction

from alerts_runtime.redaction.loggers import get_logger
from alerts_runtime.wakeups.wake import wake
from notifier.channels import load
from notifier.facts import AlertState, Due, HeldBy, Reason
from notifier.flow import silences, stepping, steps
from notifier.judge import guards
from notifier.judge.policy import ChannelConfig, Policy
from notifier.models import Notification, Target
from notifier.outbox import budget, holding, last_resort, past_tries, plans, recipients, set_aside, stand_ins

log = get_logger(__name__)

Cleared = tuple[Notification, Reason]
Then = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Look:
    """What is the same for all notifications that are judged together."""

    target: Target
    channel: ChannelConfig
    policy: Policy
    now: datetime
    silences: tuple[guards.Silenced, ...]
    budget_until: datetime | None


def judge(
    rows: Iterable[Notification], target: Target, channel: ChannelConfig, policy: Policy, now: datetime
) -> list[Cleared]:
    """The notifications that may go, with the reason for each. One that raises is marked, and the others go on."""
    rows = list(rows)
    if not rows:
        return []
    set_aside.begin_probe(target, now, costs=channel.costs)
    look = look_at(target, channel, policy, now)
    cleared = []
    for row in rows:
        try:
            found = _answer(row, look)
            one = (row, found) if isinstance(found, Reason) else _once_more(row.pk, look)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this row's trouble and no other's
            holding.trouble(row.pk, error, now)
        else:
            cleared += [one] if one is not None else []
            target.probing &= one is None  # one message is enough to try it
    return cleared


def look_at(target: Target, channel: ChannelConfig, policy: Policy, now: datetime) -> Look:
    return Look(target, channel, policy, now, silences.in_force(now), budget.spent_until(channel, policy.tz, now))


def why_undeliverable(row: Notification | None, target: Target, channel: ChannelConfig) -> str:
    """Why the target cannot be sent this row, or anything (None); empty when it can."""
    if channel.unconfigured:
        return channel.unconfigured
    if target.dead_since is not None and not target.probing:
        return f"set aside: {target.dead_detail}"
    return f"rejected: {row.last_error}" if row is not None and row.rejected else ""


def _once_more(pk: int, look: Look) -> Cleared | None:
    with transaction.atomic():
        # Silences are locked before notifications, as where a silence is ended, so that there is no deadlock.
        in_force = silences.in_force(look.now, lock=True)
        row = plans.locked(pk)
        if row is None or row.due_at is None or row.due_at > look.now:
            return None  # it has been planned again meanwhile
        row.target = look.target
        found = _answer(row, replace(look, silences=in_force))
        if isinstance(found, Reason):
            return row, found
        afterwards = found()
    if afterwards is not None:
        afterwards()  # after the commit: who is woken by it has to see the rows
    return None


def _answer(row: Notification, look: Look) -> Reason | Callable[[], Then | None]:
    """The reason to send it; or a function that writes why not, and may return one to call after the commit."""
    if not recipients.is_present(row, look.policy):
        return lambda: recipients.hand_over_row(row.pk, look.policy, look.now)
    alert = row.alert.state
    due = plans.next_for(row, alert, look.policy, look.now)
    if due is None and row.told_seq == 0 and alert.resolved_at is not None:
        if past_tries.last_uncertain(row) is None:
            return lambda: holding.drop(row, "resolved before it was told")
        due = Due(Reason.RESOLVED, look.now)  # a message of unknown outcome may have arrived: tell of the end
    if due is None or due.at > look.now:
        return lambda: holding.postpone(row, due, look.now)
    reason = due.reason
    if reason is Reason.ESCALATED and recipients.is_off_duty(row, look.policy):
        return lambda: stepping.pass_on(row, look.policy, look.now)
    ruling = guards.judge(case_of(row, alert, reason, look))
    if ruling.action is guards.Action.SEND:
        return reason
    if ruling.action is guards.Action.HOLD:
        return lambda: holding.hold(row, ruling, look.now, reason)
    return lambda: _divert(row, ruling, look)


def case_of(row: Notification, alert: AlertState, reason: Reason, look: Look) -> guards.Case:
    """Everything that the guards are asked about a message."""
    return guards.Case(
        reason=reason,
        alert=alert,
        told=row.told,
        channel=look.channel,
        now=look.now,
        silences=look.silences,
        dead=why_undeliverable(row, look.target, look.channel),
        trying_since=row.trying_since or (row.due_at if look.target.is_failing else None),
        told_elsewhere=row.held_by == HeldBy.DIVERTED,
        edits=bool(row.thread) and load(look.channel.backend).can_edit,
        budget_until=look.budget_until,
        asks_each=reason is Reason.ESCALATED and steps.asks_each(row.alert_id),
    )


def _divert(row: Notification, ruling: guards.Ruling, look: Look) -> Then:
    other = look.policy.channels.get(ruling.to)
    told = stand_ins.divert(row, ruling.name, other.targets if other else (), look.policy, look.now)
    return (
        (lambda: wake(f"deliver-{ruling.to}"))
        if told
        else (lambda: last_resort.not_delivered(row.alert, ruling.name, of=row))
    )
