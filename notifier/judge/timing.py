"""What a target is told next about an alert, and when. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from notifier.facts import AlertState, Due, Reason, Timing, Told


def next_due(told: Told, alert: AlertState, timing: Timing, now: datetime) -> Due | None:
    """The next message about this alert for a target that was told `told`; None when there is nothing to tell.

    Asked in this order, as in Alertmanager's dedup stage: is it over? Has a step of escalation come to this target? Was
    it not told yet? Has it become worse? Has somebody answered? Are there more failures? Is a reminder due?
    """
    if alert.resolved_at is not None:
        if told.seq == 0 or told.resolved or not timing.resolved:
            return None
        return Due(Reason.RESOLVED, now)
    if told.asked_level > told.level and not _is_to_see_who_has_it(told, alert, now):
        return Due(Reason.ESCALATED, now)
    if told.seq == 0 or told.at is None:
        # Opened later than now: by a clock that was wrong. A page must not wait until the clock has caught up.
        return Due(Reason.FIRST, now if alert.opened_at > now else max(now, alert.opened_at + timing.wait))
    raised = told.severity is not None and alert.subject.severity > told.severity
    if told.resolved:
        # An alert that ends and opens again and again must not be told each time at once, unless it is worse now.
        return Due(Reason.REOPENED, now if raised else max(now, told.at + _first_window(timing)))
    if raised:
        return Due(Reason.RAISED, now)
    if alert.last_answer > told.answer:
        return Due(Reason.ANSWERED, now)
    if alert.count > told.seq:
        return Due(Reason.UPDATE, max(now, told.at + window(told, alert, timing)))
    if timing.repeat is not None:
        return Due(Reason.REPEAT, max(now, told.at + timing.repeat))
    return None


def _is_to_see_who_has_it(told: Told, alert: AlertState, now: datetime) -> bool:
    """Whether the target is to be told first that somebody has acknowledged the alert, for which its page waits."""
    has_it = alert.acknowledged_until is not None and now < alert.acknowledged_until
    return has_it and told.seq > 0 and alert.last_answer > told.answer


def window(told: Told, alert: AlertState, timing: Timing) -> timedelta:
    """How long to leave between the last message and an update."""
    if not timing.windows:
        return timedelta(0)
    step = 0 if _new_storm(told, alert) else told.window
    return timing.windows[min(step, len(timing.windows) - 1)]


def window_after(reason: Reason, told: Told, alert: AlertState) -> int:
    """Which of the route's intervals comes after a message: the next one after an update, the same after a reminder or
    an answer, and the first when a new storm or a new problem has begun.
    """
    if _new_storm(told, alert):
        return 0
    return {Reason.UPDATE: told.window + 1, Reason.REPEAT: told.window, Reason.ANSWERED: told.window}.get(reason, 0)


def _first_window(timing: Timing) -> timedelta:
    return timing.windows[0] if timing.windows else timedelta(0)


def _new_storm(told: Told, alert: AlertState) -> bool:
    return told.at is not None and alert.storm_since > told.at
