"""Gathers what a message tells of one alert to one target, at this moment. Writes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache

from django.db.models import Count, Min, Sum, Window

from alerts_runtime.database.fast_sql import columns, places, select
from notifier.facts import Category, Frame, Reason, Severity, Timing, Told
from notifier.flow import silences, steps
from notifier.judge import escalation
from notifier.judge.match import matches
from notifier.judge.policy import Policy
from notifier.judge.timing import window_after
from notifier.messages import answered, deliveries
from notifier.messages.adding_up import new_since, totals_of, totals_of_one
from notifier.messages.links import answer_url, links_of
from notifier.messages.telling import Children, Since, Story, Totals, Turn
from notifier.models import Alert, LogEntry, Notification, Occurrence

NAMED_CHILDREN = 3
NAMED_CHANNELS = 5


@dataclass(frozen=True, slots=True)
class Known:
    """What is read once for several stories. Most alerts have a single failure, and hold no others."""

    only: Mapping[int, Occurrence]  # by alert, for alerts with a single occurrence
    parents: frozenset[int]  # alerts because of which others are held


def look_up(alerts: Sequence[Alert]) -> Known:
    once = {alert.pk for alert in alerts if alert.count == 1}
    found = select([Occurrence], _known_of(len(alerts)), [alert.pk for alert in alerts])
    return Known(
        {pk: first for first, pk, _ in found if pk in once},
        frozenset(pk for _, pk, holds_others in found if holds_others),
    )


@cache
def _known_of(alerts: int) -> str:
    return f"""
        SELECT {columns(Occurrence)}, alert.id,
            EXISTS (SELECT 1 FROM swa_notifier_alert child WHERE child.inhibited_by_id = alert.id)
        FROM swa_notifier_alert alert
        LEFT JOIN swa_notifier_occurrence ON swa_notifier_occurrence.alert_id = alert.id AND seq = 1
        WHERE alert.id IN ({places(alerts)})
    """  # noqa: S608 - the model's own names


def tell(
    notification: Notification,
    reason: Reason,
    now: datetime,
    *,
    policy: Policy,
    site_url: str = "",
    reference: str = "",
    possible_repeat: bool = False,
    known: Known | None = None,
    link: bool = False,
) -> Story:
    """The story up to the occurrence number `count` of the alert, which the target has been told after sending it.

    `known` is what was read for several stories together.
    """
    alert = notification.alert
    known = known or look_up([alert])
    so_far = Occurrence.objects.filter(alert=alert, seq__lte=alert.count)
    only = known.only.get(alert.pk)
    totals = totals_of_one(only) if only else totals_of(so_far)
    told = notification.told
    return replace(
        of_alert(alert, totals, now, reason=reason, tz=policy.tz),
        traceback=alert.traceback,
        silenced_until=_silenced_until(alert, now) if alert.last_answer else None,
        children=_children(alert) if alert.pk in known.parents else Children(),
        route=notification.route,
        since=new_since(so_far, alert.count, told.seq) if told.seq else Since(),
        told_at=told.at,
        told_severity=told.severity,
        answers=_answers(alert, told, now, policy.tz) if alert.last_answer > told.answer else (),
        held_by=notification.held_by,
        held_ref=notification.held_ref,
        held_since=notification.held_since,
        instead_of=notification.instead_of,
        turn=_turn(notification, reason, policy),
        next_update_at=_next_update_at(reason, told, alert, policy.timing(notification.route), now),
        deliveries=deliveries.to_others(notification, now, policy.tz) if notification.thread else (),
        thread=notification.thread,
        code=notification.code,
        answer_url=answer_url(notification, site_url) if link and alert.resolved_at is None else "",
        links=tuple(links_of(alert, totals, site_url)),
        reference=reference,
        possible_repeat=possible_repeat,
    )


def of_alert(alert: Alert, totals: Totals, now: datetime, *, reason: Reason, tz: str) -> Story:
    """The part of a story that is the same for every target; times are shown in the zone `tz`. Makes no query."""
    return Story(
        reason=reason,
        now=now,
        tz=tz,
        id=alert.pk,
        severity=Severity(alert.severity),
        category=Category(alert.category),
        title=alert.title,
        opened_at=alert.opened_at,
        last_at=alert.last_at,
        count=alert.count,
        source=alert.source,
        event_type=alert.event_type,
        hint=alert.hint,
        livemode=alert.livemode,
        account=alert.account,
        exception=alert.exceptions[0].rpartition(".")[2] if alert.exceptions else "",
        message=alert.message,
        frame=Frame(**alert.frame) if alert.frame else None,
        attempt=alert.attempt,
        max_attempts=alert.max_attempts,
        will_retry=alert.will_retry,
        after_commit=alert.after_commit,
        next_attempt_at=alert.next_attempt_at,
        gives_up_at=alert.gives_up_at,
        acknowledged_by=alert.acknowledged_by,
        acknowledged_until=alert.acknowledged_until,
        resolved_at=alert.resolved_at,
        resolved_how=alert.resolved_how,
        totals=totals,
    )


def listed_with(row: Notification) -> list[Notification]:
    """The rows that were in the same list as this one, which is among them; without the alerts' long texts."""
    rows = Notification.objects.filter(target=row.target_id, thread=row.thread, listed=True).select_related("alert")
    return list(rows.defer("alert__traceback", "alert__message", "alert__context", "alert__frame"))


def _answers(alert: Alert, told: Told, now: datetime, tz: str) -> tuple[str, ...]:
    """The answers that all are to see and that the target has not been told."""
    later = LogEntry.objects.filter(alert=alert, pk__gt=told.answer, pk__lte=alert.last_answer, news=True)
    return tuple(answered.story(answered.said(entry), now, tz) for entry in later.order_by("pk"))


def _silenced_until(alert: Alert, now: datetime) -> datetime | None:
    subject = alert.subject
    ends = [one.ends_at for one in silences.in_force(now) if matches(one.matcher, subject)]
    return max(ends, default=None)


def _children(alert: Alert) -> Children:
    named = list(
        Alert.objects.filter(inhibited_by=alert)
        .annotate(
            children=Window(Count("pk")),
            failures=Window(Sum("count")),
        )
        .order_by("-count", "pk")[:NAMED_CHILDREN]
    )
    if not named:
        return Children()
    return Children(named[0].children, named[0].failures, tuple((child.pk, child.headline) for child in named))


def _turn(row: Notification, reason: Reason, policy: Policy) -> Turn:
    route = policy.route(row.route)
    if route is None or not route.escalate:
        return Turn()
    more = steps.is_one_left(row.alert_id)
    if reason is not Reason.ESCALATED or row.level >= len(route.levels):  # the route may have fewer steps now
        return Turn(more=more)
    others = Notification.objects.filter(alert=row.alert_id, told_at__isnull=False).exclude(pk=row.pk)
    told = others.values_list("target__channel").annotate(first=Min("parts_told__attempt__started_at"))
    return Turn(
        escalation.place(route.levels, route.levels[row.level]),
        tuple(told.order_by("first")[:NAMED_CHANNELS]),
        steps.asks_each(row.alert_id),
        more,
    )


def _next_update_at(reason: Reason, told: Told, alert: Alert, timing: Timing, now: datetime) -> datetime | None:
    if alert.resolved_at is not None or not timing.windows:
        return None
    step = window_after(reason, told, alert.state)
    return now + timing.windows[min(step, len(timing.windows) - 1)]
