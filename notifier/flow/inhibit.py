"""While a parent alert is open, messages of its children are held, and it tells how many there are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime

from django.db.models import Q

from notifier.alerts import store
from notifier.facts import HeldBy
from notifier.judge.match import Matcher, matches
from notifier.judge.policy import Policy
from notifier.models import Alert
from notifier.models.alerts import SUBJECT_COLUMNS
from notifier.outbox import holding

_GLOB = re.compile(r"[*?\[]")


def relate(alert: Alert, policy: Policy) -> None:
    """Find the parent of an alert that is new, reopened or worse, or else its children, in its account and mode."""
    if alert.inhibited_by_id is not None or not policy.inhibitions:
        return
    subject = alert.subject
    parents = [rule.parent for rule in policy.inhibitions if matches(rule.child, subject)]
    children = [rule.child for rule in policy.inhibitions if matches(rule.parent, subject)]
    if parent := next(_open_like(alert, parents), None):
        alert.inhibited_by_id = parent.pk
        held, by = [alert.pk], parent.pk
    else:
        held, by = [child.pk for child in _open_like(alert, children)], alert.pk
    store.inhibit(held, by)


def _open_like(alert: Alert, matchers: list[Matcher]) -> Iterator[Alert]:
    """The other open alerts that one of these matches and nothing inhibits. The database filters: many may be open."""
    if not matchers:
        return
    candidates = Q()
    for matcher in matchers:
        candidates |= _can_match(matcher)
    same = Alert.objects.filter(account=alert.account, livemode=alert.livemode, resolved_at__isnull=True)
    # Not "is null": SQLite would use the index of that, and read every alert there ever was.
    others = same.filter(candidates).exclude(inhibited_by__gt=0).exclude(pk=alert.pk)
    for other in sorted(others.only(*SUBJECT_COLUMNS), key=lambda other: other.pk):
        found = other.subject
        if any(matches(matcher, found) for matcher in matchers):
            yield other


def _can_match(matcher: Matcher) -> Q:
    """The part of a matcher that the database can decide: what it excludes does not match."""
    asked = Q(pk__isnull=False)
    if matcher.categories:
        asked &= Q(category__in=matcher.categories)
    if matcher.severities:
        asked &= Q(severity__in=matcher.severities)
    if matcher.min_severity is not None:
        asked &= Q(severity__gte=matcher.min_severity)
    for column, globs in (("source", matcher.sources), ("event_type", matcher.events), ("endpoint", matcher.endpoints)):
        if globs and not any(_GLOB.search(glob) for glob in globs):
            asked &= Q((f"{column}__in", globs))
    return asked


def release_orphans(now: datetime) -> int:
    """Judge again what is held by an alert that is over, as one is that ended while it was being made a parent."""
    held = Alert.objects.filter(inhibited_by__gt=0)  # uses the index, unlike "is not null" on SQLite
    orphans = held.filter(inhibited_by__resolved_at__isnull=False).select_related("inhibited_by")
    parents = {alert.inhibited_by for alert in orphans if alert.inhibited_by}
    for parent in parents:
        store.release_children(parent)
    return sum(ended(parent, now) for parent in parents)


def ended(parent: Alert, now: datetime) -> int:
    """Judge at once what a parent held that is over."""
    return holding.release_held(HeldBy.INHIBITED, now, ref=parent.pk)
