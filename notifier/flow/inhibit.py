"""While a parent alert is open its children are held and counted in it. Pure but for the reading of open alerts."""

from __future__ import annotations

from datetime import datetime

from notifier.alerts import store
from notifier.alerts.store import state_of
from notifier.judge.match import matches
from notifier.judge.policy import Inhibition, Policy
from notifier.models import Alert
from notifier.outbox import plans


def is_parent(parent: Alert, child: Alert, inhibitions: tuple[Inhibition, ...]) -> bool:
    """Whether one alert explains the other: another alert, of the same account and mode, by a rule."""
    if parent.pk == child.pk or parent.inhibited_by_id is not None:
        return False
    if (parent.account, parent.livemode) != (child.account, child.livemode):
        return False
    above, below = state_of(parent).subject, state_of(child).subject
    return any(matches(rule.parent, above) and matches(rule.child, below) for rule in inhibitions)


def look(alert: Alert, policy: Policy) -> None:
    """An alert that is new, open again or worse than it was may have a parent, or be one."""
    subject = state_of(alert).subject
    concerned = any(matches(rule.parent, subject) or matches(rule.child, subject) for rule in policy.inhibitions)
    if not concerned or alert.inhibited_by_id is not None:
        return
    same = {"account": alert.account, "livemode": alert.livemode, "inhibited_by__isnull": True}
    others = list(Alert.objects.filter(resolved_at__isnull=True, **same).exclude(pk=alert.pk))
    parent = next((other for other in others if is_parent(other, alert, policy.inhibitions)), None)
    if parent is not None:
        store.inhibit(alert, parent.pk)
        return
    for other in others:
        if is_parent(alert, other, policy.inhibitions):
            store.inhibit(other, alert.pk)


def release_orphans(now: datetime) -> int:
    """Judge again what is held by an alert that is over: it ended at the moment at which it began to hold this one."""
    held = Alert.objects.filter(inhibited_by__gt=0)  # by the index, which "is not null" does not use on SQLite
    orphans = held.filter(inhibited_by__resolved_at__isnull=False).select_related("inhibited_by")
    parents = {alert.inhibited_by for alert in orphans if alert.inhibited_by}
    for parent in parents:
        store.release_children(parent)
    return sum(ended(parent, now) for parent in parents)


def ended(parent: Alert, now: datetime) -> int:
    """A parent is over: what it held is judged again at once."""
    return plans.release_held(f"inhibited by alert {parent.pk}", now)
