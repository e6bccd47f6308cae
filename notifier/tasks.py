"""The loops that a worker runs for the notifier: one courier for each channel, and tick."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import structlog
from django.db.models import Case, Min, Q, When
from django.db.models.functions import Coalesce, Greatest
from django.utils import timezone

from core import last_resort
from core.clock import SteppedBack
from core.retention import Pruner
from core.threads import database_answers
from core.wake import wake
from core.worker import Loop
from notifier import (
    alerts,
    api,
    attempts,
    calendar,
    inbound,
    inhibit,
    outbox,
    pipeline,
    recipients,
    reports,
    settle,
    silences,
    targets,
    watch,
)
from notifier.conf import get_policy
from notifier.deliver import Courier
from notifier.masking import masked
from notifier.models import Alert, Digest, Notification, Target

log = structlog.get_logger(__name__)

LONGEST_PAUSE = 60.0  # seconds, after a part of tick that failed
NOT_BY_ITSELF = timedelta(days=366)
TELL_AFTER = 5  # failures in a row, after which the last resort hears of it


def loops() -> Iterator[Loop]:
    """A thread for each channel, so that a hung one delays no other, and one for tick."""
    for alias in get_policy().channels:
        courier = Courier(alias)
        yield Loop(
            courier.topic,
            courier.step,
            topic=courier.topic,
            oldest_due=oldest_due(alias),
            close=courier.close,
            busy=courier.busy,
        )
    yield Loop("notifier-tick", Tick().step)


def oldest_due(alias: str) -> Callable[[datetime], datetime | None]:
    """Since when something could have gone out on a channel and has not."""

    def oldest(now: datetime) -> datetime | None:
        free = Notification.objects.filter(target__channel=alias, due_at__lte=now, sending__isnull=True)
        digests = Digest.objects.filter(target__channel=alias, due_at__lte=now, sending__isnull=True)
        # What a provider makes wait is late, unless others have heard of it. What waited for anything else of its
        # target (a throttle) could have gone out since that wait ended.
        asked = Q(target__held_by__startswith=targets.ASKS_TO_WAIT)
        waits = Q(target__next_at__gt=now) & ~asked
        since = Case(When(asked, then="due_at"), default=Greatest("due_at", Coalesce("target__next_at", "due_at")))
        alerts_due = free.exclude(held_by__startswith=outbox.DIVERTED)
        found = [rows.exclude(waits).aggregate(at=Min(since))["at"] for rows in (alerts_due, digests)]
        return min((at for at in found if at), default=None)

    return oldest


class Tick:
    """What must happen by the clock. Safe in any number of workers; each part at its own pace."""

    def __init__(self, now: Callable[[], datetime] = timezone.now) -> None:
        self._now = now
        self._reconciled = 0
        self._stepped_back = SteppedBack()
        self._parts: list[tuple[float, Callable[[datetime], object]]] = [
            (1.0, self._mind_the_clock),
            (1.0, settle.settle_lost),
            (2.0, self._reconcile),
            (5.0, reports.catch_up),
            (5.0, resolve_overdue),
            (5.0, start_digests),
            (5.0, tell_of_dead_targets),
            (5.0, hand_over),
            (30.0, plan_forgotten),
            (30.0, release_outdated),
            (30.0, tell_of_unreadable_silences),
            (30.0, watch_inbound),
            (1.0, Pruner(prune).step),
        ]
        self._next = [0.0] * len(self._parts)
        self._failed = [0] * len(self._parts)

    def step(self) -> float:
        """Each part on its own: one that raises is said, and tried again with a growing pause.

        Raises what it raised when the database is away: that is no part's own trouble.
        """
        for number, (every, part) in enumerate(self._parts):
            if time.monotonic() < self._next[number]:
                continue
            try:
                part(self._now())
            except Exception as error:
                if not database_answers():
                    raise
                self._failed[number] += 1
                pause = min(every * 2 ** min(self._failed[number], 10), max(every, LONGEST_PAUSE))
                self._say(part, error, self._failed[number], pause)
            else:
                self._failed[number], pause = 0, every
            self._next[number] = time.monotonic() + pause
        return 1.0

    def _say(self, part: Callable[[datetime], object], error: Exception, times: int, pause: float) -> None:
        name = getattr(part, "__name__", type(part).__name__)
        log.error("a part of tick failed", part=name, times=times, retry_in=pause, exc_info=error)
        if times == TELL_AFTER:
            last_resort.say(
                f"tick {name}",
                f"A part of the notifier's tick fails: {name}",
                f"It has failed {times} times in a row, now with {type(error).__name__}. The log has the traceback. "
                "Everything else goes on, and it is tried again.",
            )

    def _mind_the_clock(self, now: datetime) -> None:
        if back := self._stepped_back.since(now):
            outbox.bring_forward(back, now)

    def _reconcile(self, now: datetime) -> None:
        self._reconciled = inbound.reconcile(self._reconciled, now)


def resolve_overdue(now: datetime) -> None:
    """End alerts that were quiet for their time, and those that nobody will ever end."""
    for alert, how in alerts.overdue_to_resolve(now, get_policy().forget_after):
        pipeline.resolve(alert, how, now)


def start_digests(now: datetime) -> None:
    """One row for each digest, target and period, however many workers ask."""
    policy = get_policy()
    for plan in policy.digests:
        period = calendar.period_before(now, plan.at, plan.tz, plan.every, plan.weekday)
        for alias in plan.to:
            for target in policy.channels[alias].targets:
                if outbox.ensure_digest(plan.name, target, period.start, period.end, now):
                    log.info("digest due", digest=plan.name, period=period.label, channel=alias)
                    wake(f"deliver-{alias}")


def tell_of_dead_targets(now: datetime) -> None:
    """A target that was set aside is an alert of its own, which ends when something arrives there and not before."""
    dead = Target.objects.filter(dead_since__isnull=False).order_by("pk")
    told = {f"delivery.{target.pk}": target for target in dead}
    for source in Alert.objects.filter(source__startswith="delivery.", resolved_at__isnull=True).values_list(
        "source", flat=True
    ):
        if source not in told:
            api.resolve(source, "something arrived there", now)
    for together in targets.set_aside_together(dead.filter(dead_told=False)):
        first, number = together[0], targets.number_on(together[0].channel)
        others = number - len(together)
        who = "be used" if not others else f"reach {', '.join(masked(one.address) for one in together[:3])}"
        rest = f" {others} of its {number} recipients are still told." if others else ""
        api.alert(
            f"Channel {first.channel} cannot {who}: {first.dead_detail}",
            key=f"delivery.{first.pk}",
            severity="error",
            category="delivery",
            hint=f"Fix it, then run `manage.py send_test {first.channel}`: when that arrives, alerts go there again. "
            f"From time to time a message tries it by itself.{rest}",
            resolve_after=NOT_BY_ITSELF,
            once=str(first.dead_since),
            now=now,
        )
        for target in together:
            targets.told_of_death(target)


def hand_over(now: datetime) -> None:
    """Who is no longer named in NOTIFIER hears nothing more, and who took their place does."""
    recipients.hand_over(get_policy(), now)


def plan_forgotten(now: datetime) -> None:
    """Nothing that was lost stays lost."""
    found = outbox.forgotten(get_policy(), now)
    if found:
        log.error("notifications had no plan", number=found)


def release_outdated(now: datetime) -> None:
    """What is held by a silence or a parent alert that no longer holds it is judged again."""
    silences.release_outdated(now)
    inhibit.release_orphans(now)


def tell_of_unreadable_silences(now: datetime) -> None:
    """Such a silence holds nothing, and whoever made it believes that it does."""
    for row in silences.unreadable(now):
        api.alert(
            f"Silence {row.pk} cannot be read, so it silences nothing",
            key=f"silence.{row.pk}",
            severity="warning",
            category="configuration",
            hint="Correct what it matches in the admin, or end it there.",
            once=f"{row.pk} {now:%Y%m%d%H%M}",
            now=now,
        )


def watch_inbound(now: datetime) -> None:
    """Failures that raise no exception become alerts; each resolves when it was quiet for a time."""
    policy = get_policy()
    seen = inbound.seen(policy.watch.window, policy.watch.expect, now)
    for finding in watch.findings(seen, policy.watch, now):
        api.alert(
            finding.title,
            key=finding.key,
            severity=finding.severity.label,
            category=finding.category,
            hint=finding.hint,
            resolve_after=policy.watch.window,
            # Many workers ask; one finding of a minute is one occurrence.
            once=f"{now:%Y%m%d%H%M}",
            now=now,
        )


def prune(now: datetime) -> bool:
    """Delete a batch of what is older than NOTIFIER["RETENTION"]; whether there was any."""
    before = now - get_policy().retention
    return bool(attempts.prune(before) or alerts.prune(before) or silences.prune(before))
