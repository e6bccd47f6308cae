"""Gathers what a digest tells of its period. Writes nothing; the database adds up, however many failures there were."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from notifier.facts import EventCounts, Message, Severity
from notifier.judge.calendar import Period, period_before
from notifier.judge.policy import DigestPlan, Policy
from notifier.messages import digest_delivery, digest_money
from notifier.messages.digest_data import DigestData, Line, Section
from notifier.messages.digest_money import Events
from notifier.messages.digest_page import render_digest
from notifier.messages.links import alert_url, alerts_url
from notifier.messages.trend import trend
from notifier.models import Alert, Digest, Notification, Occurrence

__all__ = ["CountEvents", "DigestData", "collect", "compose", "render_digest"]

CountEvents = Callable[[datetime, datetime], EventCounts | None]

# Outcomes of a digest that was not sent, and after which the next one need not cover its period again.
COVERED = ("set up", "nothing happened")
ORDER = list(Section)


def compose(
    row: Digest,
    policy: Policy,
    now: datetime,
    *,
    count_events: CountEvents | None = None,
    site_url: str = "",
    reference: str = "",
    possible_repeat: bool = False,
) -> Message | None:
    """The message of a digest row; None when all was quiet and its plan does not want quiet digests."""
    plan = next((plan for plan in policy.digests if plan.name == row.name), None)
    if plan is None:
        return None
    period = period_before(row.ends_at, plan.at, plan.tz, plan.every, plan.weekday)
    if period.end != row.ends_at:  # `manage.py digest`, or the settings have changed since
        period = Period(row.starts_at, row.ends_at, "")
    data = collect(plan, row.target_id, period, now, count_events=count_events, site_url=site_url)
    if data.quiet and not plan.when_quiet:
        return None
    return render_digest(data, reference=reference, possible_repeat=possible_repeat)


def collect(
    plan: DigestPlan,
    target_id: int,
    period: Period,
    now: datetime,
    *,
    count_events: CountEvents | None = None,
    site_url: str = "",
) -> DigestData:
    """What happened in the period, and since the last digest of that name that went out to the target.

    Each alert that was open at some time, or had a failure in it, has exactly one line, by its state as it is now.
    """
    last_end = _covered_until(plan.name, target_id, period.end)
    start, end = min(period.start, last_end or period.start), period.end
    in_period = Occurrence.objects.filter(occurred_at__gte=start, occurred_at__lt=end)
    counts = dict(in_period.order_by().values_list("alert_id").annotate(Count("pk")))
    alerts = _listed(in_period, start, end)
    waiting = digest_money.waiting(alerts.filter(resolved_at__isnull=True))
    not_recovered = digest_money.waiting(alerts.filter(resolved_at__isnull=False))
    recovered = digest_money.recovered(alerts, start, end)
    held = digest_delivery.held_rows(alerts)
    guards: dict[int, list[str]] = {}
    for row in held:
        guards.setdefault(row.alert, []).append(row.by)
    lines = [
        _line(
            alert,
            start,
            untold=untold,
            count=counts.get(alert.pk, 0),
            left=waiting.get(alert.pk) or not_recovered.get(alert.pk, Events()),
            recovered=recovered.get(alert.pk, Events()),
            held_by=tuple(dict.fromkeys(guards.get(alert.pk, ()))),
            site_url=site_url,
        )
        for alert, untold in _with_untold(alerts)
    ]
    live = {line.id for line in lines if line.livemode}
    return DigestData(
        name=plan.name,
        title=_title(plan, period, start),
        tz=plan.tz,
        now=now,
        start=start,
        end=end,
        gap_start=start if start < period.start else None,
        gap_end=period.start if start < period.start else None,
        counts=count_events(start, end) if count_events else None,
        failures=sum(counts.values()),
        lines=tuple(sorted(lines, key=_worst_first)),
        at_risk=digest_money.together(waiting, live),
        unknown=sum(one.unknown for alert, one in waiting.items() if alert in live),
        recovered=digest_money.together(recovered, live),
        test_money=digest_money.together(waiting, {line.id for line in lines} - live),
        held=digest_delivery.by_guard(held),
        undelivered=digest_delivery.undelivered(alerts, start, end),
        trend=trend(end, plan.every, plan.tz),
        url=alerts_url(site_url),
    )


def _line(
    alert: Alert,
    start: datetime,
    *,
    untold: bool,
    count: int,
    left: Events,
    recovered: Events,
    held_by: tuple[str, ...],
    site_url: str,
) -> Line:
    return Line(
        id=alert.pk,
        section=section_of(alert, start, dead=left.dead > 0, untold=untold, held=bool(held_by)),
        severity=Severity(alert.severity),
        what=f"{alert.event_type}: {alert.title}" if alert.event_type else alert.title,
        count=count,
        total=alert.count,
        opened_at=alert.opened_at,
        resolved_at=alert.resolved_at,
        resolved_how=alert.resolved_how,
        at_risk=left.money,
        unknown=left.unknown,
        recovered=recovered.money,
        waiting=left.number,
        dead=left.dead,
        held_by=held_by,
        url=alert_url(alert.pk, site_url),
        livemode=alert.livemode,
    )


def section_of(alert: Alert, start: datetime, *, dead: bool, untold: bool, held: bool) -> Section:
    """The one section that lists an alert. `untold`: it had recipients, and none of them was told."""
    if alert.resolved_at is not None:
        if untold:
            return Section.UNTOLD
        if alert.resolved_how == "by replay":
            return Section.REPLAYED
        by_itself = alert.resolved_how == "by retry" or alert.resolved_how.startswith("by itself")
        return Section.RECOVERED if by_itself else Section.CLOSED
    if dead:
        return Section.DEAD
    if untold and held:
        return Section.HELD
    return Section.NEW if alert.opened_at >= start else Section.STILL_OPEN


def _covered_until(name: str, target_id: int, end: datetime) -> datetime | None:
    """The end of the last digest that went out. One still being tried may never arrive and does not count."""
    earlier = Digest.objects.filter(name=name, target=target_id, ends_at__lt=end)
    covered = earlier.filter(Q(sent_at__isnull=False) | Q(outcome__in=COVERED, due_at__isnull=True))
    return covered.order_by("-ends_at").values_list("ends_at", flat=True).first()


def _listed(in_period: QuerySet[Occurrence], start: datetime, end: datetime) -> QuerySet[Alert]:
    alive = Q(resolved_at__isnull=True) | Q(resolved_at__gte=start)
    return Alert.objects.filter(Q(alive, opened_at__lt=end) | Q(pk__in=in_period.values("alert_id")))


def _with_untold(alerts: QuerySet[Alert]) -> Iterator[tuple[Alert, bool]]:
    """The alerts without their long texts, each with `untold` (see section_of)."""
    rows = Notification.objects.filter(alert=OuterRef("pk"))
    short = alerts.defer("traceback", "message", "hint", "context", "exceptions", "frame")
    for alert in short.annotate(planned=Exists(rows), told=Exists(rows.filter(told_at__isnull=False))):
        yield alert, alert.planned and not alert.told


def _worst_first(line: Line) -> tuple[int, ...]:
    return ORDER.index(line.section), not line.livemode, -line.severity, -line.dead, -line.count, line.id


def _title(plan: DigestPlan, period: Period, start: datetime) -> str:
    if start < period.start or not period.label:
        first = start.astimezone(ZoneInfo(plan.tz))
        return f"Stripe webhooks since {first.day} {first:%b}"
    return "Stripe webhooks" + {"day": " on ", "month": " in "}.get(plan.every, ", ") + period.label
