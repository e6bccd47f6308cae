"""Gathers what is known of one alert at the moment one target is told of it. Reads the tables, writes none.

The database adds everything up, so that an alert of 100,000 failures is told as quickly as one of a single failure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from urllib.parse import quote

from django.db.models import Count, Max, Min, Q, QuerySet, Sum, Window
from django.urls import NoReverseMatch, reverse

from alerts_runtime.database.fast_sql import columns, select
from notifier.facts import Category, Frame, Link, Money, Reason, Severity, Timing, Told
from notifier.flow import silences, steps
from notifier.judge import escalation
from notifier.judge.match import matches
from notifier.judge.policy import Policy
from notifier.judge.timing import window_after
from notifier.messages import answer_link, answered, each_event
from notifier.messages.telling import Children, Since, Story, Totals, Turn
from notifier.models import Alert, LogEntry, Notification, Occurrence

NAMED_TYPES = 3
NAMED_EVENTS = 3
NAMED_CHILDREN = 3
NAMED_CHANNELS = 5
DASHBOARD = "https://dashboard.stripe.com/"


@dataclass(frozen=True, slots=True)
class Known:
    """What is asked once for several stories: of the most alerts there is one failure, and no other alert is held."""

    only: Mapping[int, Occurrence]  # by alert, of those with a single one
    parents: frozenset[int | None]  # alerts for which others are held


def look_up(alerts: Sequence[Alert]) -> Known:
    once = [alert.pk for alert in alerts if alert.count == 1]
    found = select([Occurrence], _first_of(len(once)), once) if once else []
    parents = select([], _parents_of(len(alerts)), [alert.pk for alert in alerts])
    return Known({one.alert_id: one for (one,) in found}, frozenset(parent for (parent,) in parents))


@cache
def _first_of(alerts: int) -> str:
    places = ", ".join(["%s"] * alerts)
    return f"SELECT {columns(Occurrence)} FROM swa_notifier_occurrence WHERE seq = 1 AND alert_id IN ({places})"  # noqa: S608 - the model's own names


@cache
def _parents_of(alerts: int) -> str:
    places = ", ".join(["%s"] * alerts)
    return f"SELECT DISTINCT inhibited_by_id FROM swa_notifier_alert WHERE inhibited_by_id IN ({places})"  # noqa: S608 - placeholders


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
    """The story up to the alert's occurrence number `count`, which is what the target has been told when it is sent.

    `known` is what was looked up for several stories together.
    """
    alert = notification.alert
    known = known or look_up([alert])
    so_far = Occurrence.objects.filter(alert=alert, seq__lte=alert.count)
    only = known.only.get(alert.pk)
    totals = _totals_of_one(only) if only else _totals(so_far)
    told = notification.told
    return replace(
        of_alert(alert, totals, now, reason=reason, tz=policy.tz),
        traceback=alert.traceback,
        silenced_until=_silenced_until(alert, now) if alert.last_answer else None,
        children=_children(alert) if alert.pk in known.parents else Children(),
        route=notification.route,
        since=_since(so_far, alert.count, told.seq) if told.seq else Since(),
        told_at=told.at,
        told_severity=told.severity,
        answers=_answers(alert, told, now, policy.tz) if alert.last_answer > told.answer else (),
        held_by=notification.held_by,
        held_since=notification.held_since,
        instead_of=notification.instead_of,
        turn=_turn(notification, reason, policy),
        next_update_at=_next_update_at(reason, told, alert, policy.timing(notification.route), now),
        thread=notification.thread,
        code=notification.code,
        answer_url=_answer_url(notification, site_url) if link and alert.resolved_at is None else "",
        links=tuple(_links(alert, totals, site_url)),
        reference=reference,
        possible_repeat=possible_repeat,
    )


def of_alert(alert: Alert, totals: Totals, now: datetime, *, reason: Reason, tz: str) -> Story:
    """What is to be said of an alert whoever hears it; times are shown in the zone `tz`. Asks the database nothing."""
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


def at_risk_together(alerts: Iterable[int]) -> tuple[Money, ...]:
    """The money at risk in several alerts: an event that failed in two ways, and so is in two of them, counts once.

    Test mode's is at no risk.
    """
    waiting = Occurrence.objects.filter(
        alert__in=Alert.objects.filter(pk__in=list(alerts), livemode=True), recovered_at__isnull=True
    )
    return each_event.money(each_event.groups(waiting))


def listed_with(row: Notification) -> list[Notification]:
    """What the message that told a row lists, that row among it; without the alerts' long texts."""
    rows = Notification.objects.filter(target=row.target_id, thread=row.thread, listed=True).select_related("alert")
    return list(rows.defer("alert__traceback", "alert__message", "alert__context", "alert__frame"))


def alert_url(alert_id: int, site_url: str) -> str:
    """The alert's page: the operator's, or the admin's where those are not mounted.

    "" when the site's own address is not set, or it has neither.
    """
    return _page_url(site_url, ("notifier_pages:alert", "admin:swa_notifier_alert_change"), alert_id)


def alerts_url(site_url: str) -> str:
    """The page of all alerts, likewise."""
    return _page_url(site_url, ("notifier_pages:now", "admin:swa_notifier_alert_changelist"))


def _answer_url(notification: Notification, site_url: str) -> str:
    """Where its recipient can answer; "" when the site's address is not set, or the pages are not mounted."""
    return _page_url(site_url, ("notifier_pages:answer",), answer_link.token(notification.pk)) if site_url else ""


def _page_url(site_url: str, names: Iterable[str], *args: int | str) -> str:
    for name in names if site_url else ():
        with suppress(NoReverseMatch):
            return site_url.rstrip("/") + reverse(name, args=args)
    return ""


def event_url(event_id: str, *, livemode: bool, account: str = "") -> str:
    """The event in Stripe's dashboard; `account` is the Connect account that it belongs to."""
    place = [quote(account, safe="")] if account else []
    return DASHBOARD + "/".join([*place, *([] if livemode else ["test"]), "events", quote(event_id, safe="")])


def _answers(alert: Alert, told: Told, now: datetime, tz: str) -> tuple[str, ...]:
    """What was said that all are to see, and the target has not heard."""
    later = LogEntry.objects.filter(alert=alert, pk__gt=told.answer, pk__lte=alert.last_answer, news=True)
    return tuple(answered.story(answered.said(entry), now, tz) for entry in later.order_by("pk"))


def _silenced_until(alert: Alert, now: datetime) -> datetime | None:
    subject = alert.subject
    ends = [one.ends_at for one in silences.in_force(now) if matches(one.matcher, subject)]
    return max(ends, default=None)


def _totals(so_far: QuerySet[Occurrence]) -> Totals:
    facts = so_far.aggregate(
        first_at=Min("occurred_at"),
        types=Count("event_type", distinct=True, filter=~Q(event_type="")),
        customers=Count("customer", distinct=True, filter=~Q(customer="")),
        customer=Max("customer"),
        objects=Count("object_id", distinct=True, filter=~Q(object_id="")),
        object_id=Max("object_id"),
    )
    found = each_event.groups(so_far)
    waiting = [group for group in found if group.waiting]
    done = [group for group in found if not group.waiting]
    ways = Counter[str]()
    for group in done:
        ways[group.recovered_how] += group.events
    dead = sum(group.events for group in waiting if group.dead)
    newest = so_far.exclude(event_id="").order_by("-seq").values_list("event_id", flat=True)
    return Totals(
        first_at=facts["first_at"],
        events=sum(group.events for group in found),
        types=facts["types"],
        newest_event=newest.first() or "",
        customers=facts["customers"],
        customer=facts["customer"] if facts["customers"] == 1 else "",
        object_id=facts["object_id"] if facts["objects"] == 1 else "",
        at_risk=each_event.money(waiting),
        unknown=sum(group.unknown for group in waiting),
        recovered=each_event.money(done),
        recovered_by=tuple(sorted((+ways).items(), key=lambda way: (-way[1], way[0]))),
        dead=dead,
        dead_events=each_event.newest_dead(so_far, NAMED_EVENTS) if dead else (),
    )


def _totals_of_one(only: Occurrence) -> Totals:
    """The same of a single failure, which needs no sums."""
    events, waiting = int(bool(only.event_id)), only.recovered_at is None
    group = each_event.of_one(only)
    money = each_event.money([group])
    dead = events if waiting and only.dead else 0
    return Totals(
        first_at=only.occurred_at,
        events=events,
        types=int(bool(only.event_type)),
        newest_event=only.event_id,
        customers=int(bool(only.customer)),
        customer=only.customer,
        object_id=only.object_id,
        at_risk=money if waiting else (),
        unknown=group.unknown if waiting else 0,
        recovered=() if waiting else money,
        recovered_by=((only.recovered_how, events),) if events and not waiting else (),
        dead=dead,
        dead_events=(only.event_id,) if dead else (),
    )


def _since(so_far: QuerySet[Occurrence], count: int, told_seq: int) -> Since:
    if count <= told_seq:
        return Since()
    new = so_far.filter(seq__gt=told_seq)
    by_type = new.exclude(event_type="").values("event_type").annotate(number=Count("pk"))
    types = by_type.order_by("-number", "event_type").values_list("event_type", "number")[:NAMED_TYPES]
    money = each_event.money(each_event.groups(new))
    return Since(number=count - told_seq, types=tuple(types), money=money)


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


def _links(alert: Alert, totals: Totals, site_url: str) -> Iterable[Link]:
    page = alert_url(alert.pk, site_url)
    if page:
        yield Link(f"Open alert {alert.pk}", page)
    if alert.source == "webhook" and totals.newest_event:
        text = "Open in Stripe" if totals.events == 1 else "Open the newest event in Stripe"
        yield Link(text, event_url(totals.newest_event, livemode=alert.livemode, account=alert.account))
