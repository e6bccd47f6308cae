"""The loops that a worker runs for the notifier: one courier for each channel, and tick."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial

from django.db.models import Case, Min, Q, When
from django.db.models.functions import Coalesce, Greatest
from django.utils import timezone

from alerts_runtime.background import Loop, Pool
from alerts_runtime.database.retention import Pruner
from alerts_runtime.isolation.parts import Parts, on_its_own
from alerts_runtime.leasing.clock import SteppedBack
from alerts_runtime.redaction.loggers import get_logger
from alerts_runtime.redaction.masking import masked
from alerts_runtime.wakeups.wake import wake
from notifier import api
from notifier.alerts import store
from notifier.calendars import imports
from notifier.config.conf import get_policy
from notifier.delivery import holes, idle_probe
from notifier.delivery.courier import Courier, topic_of
from notifier.delivery.deaf import Deaf
from notifier.facts import Category
from notifier.facts import Target as To
from notifier.flow import escalations, heard, ignores, inhibit, listeners, on_call, pipeline, silences
from notifier.intake import source
from notifier.judge import calendar, watch
from notifier.judge.policy import DigestPlan
from notifier.models import Alert, Digest, Notification, Target
from notifier.oncall import handovers, overrides
from notifier.oncall.present import policy_now
from notifier.outbox import attempts, plans, recipients, reports, settle, targets

log = get_logger(__name__)

NOT_BY_ITSELF = timedelta(days=366)


COURIERS = 4  # threads, which decide and write: what waits for a provider has others, without a connection


def loops() -> Iterator[Loop]:
    """A courier for each channel, which share threads, and a thread for tick."""
    pool = Pool("couriers", COURIERS, ready, oldest_of_all)
    for alias in get_policy().channels:
        courier = Courier(alias)
        yield Loop(
            courier.topic,
            courier.step,
            topic=courier.topic,
            oldest_due=oldest_due(alias),
            close=courier.close,
            busy=courier.busy,
            pool=pool,
        )
    if any(rotation.ics for rotation in get_policy().rotations.values()):
        yield Loop("notifier-calendars", imports.Reader().step)
    yield Loop("notifier-tick", Tick().step)


def ready() -> set[str]:
    """The couriers that have something to do."""
    channels = get_policy().channels
    after = min((channel.failover_after for channel in channels.values()), default=timedelta.max)
    return {topic_of(alias) for alias in targets.ready_channels(timezone.now(), after) if alias in channels}


def oldest_due(alias: str) -> Callable[[datetime], datetime | None]:
    """Since when something could have gone out on a channel and has not."""
    return lambda now: _oldest(now, Q(target__channel=alias)).get(alias)


def oldest_of_all(now: datetime) -> dict[str, datetime]:
    """The same of every courier for which something waits, by one question of each table."""
    channels = get_policy().channels
    return {topic_of(alias): at for alias, at in _oldest(now, Q()).items() if alias in channels}


def _oldest(now: datetime, which: Q) -> dict[str, datetime]:
    free = Notification.objects.filter(which, due_at__lte=now, sending__isnull=True)
    digests = Digest.objects.filter(which, due_at__lte=now, sending__isnull=True)
    # What a provider makes wait is late, unless others have heard of it. What waited for anything else of its
    # target (a throttle) could have gone out since that wait ended.
    asked = Q(target__held_by__startswith=targets.ASKS_TO_WAIT)
    waits = Q(target__next_at__gt=now) & ~asked
    since = Case(When(asked, then="due_at"), default=Greatest("due_at", Coalesce("target__next_at", "due_at")))
    alerts_due = free.exclude(held_by__startswith=plans.DIVERTED)
    oldest: dict[str, datetime] = {}
    for rows in (alerts_due, digests):
        for alias, at in rows.exclude(waits).values_list("target__channel").annotate(at=Min(since)):
            oldest[alias] = min(at, oldest.get(alias, at))
    return oldest


class Tick:
    """What must happen by the clock. Safe in any number of workers; each part on its own, at its own pace."""

    def __init__(self, now: Callable[[], datetime] = timezone.now) -> None:
        self._now = now
        self._reconcile = source.Reconciler()
        self._stepped_back = SteppedBack()
        self._parts = Parts(
            "notifier tick:",
            [
                (1.0, self._mind_the_clock),
                (1.0, settle.settle_lost),
                (1.0, escalate),
                (2.0, self._reconcile),
                (5.0, reports.catch_up),
                (5.0, resolve_overdue),
                (5.0, start_digests),
                (5.0, tell_of_dead_targets),
                (5.0, hand_over),
                (5.0, record_handovers),
                (30.0, plan_forgotten),
                (30.0, idle_probe.try_dead),
                (30.0, release_outdated),
                (30.0, tell_of_unreadable_silences),
                (30.0, watch_inbound),
                (30.0, Deaf().look),
                (300.0, holes.tell_of_holes),
                (1.0, Pruner(prune).step),
            ],
        )

    def step(self) -> float:
        """One round. Raises when the database is away."""
        self._parts(self._now)
        return 1.0

    def _mind_the_clock(self, now: datetime) -> None:
        if back := self._stepped_back.since(now):
            plans.bring_forward(back, now)
            escalations.bring_forward(back, now)


def escalate(now: datetime) -> None:
    """Take the steps whose time has come: nobody has acknowledged their alert."""
    escalations.take_due(policy_now(now), now)


def resolve_overdue(now: datetime) -> None:
    """End alerts that were quiet for their time, and those that nobody will ever end."""
    for alert, how in store.overdue_to_resolve(now, get_policy().forget_after):
        on_its_own("end alert", partial(pipeline.resolve, alert, how, now), key=alert.pk)


def start_digests(now: datetime) -> None:
    """One row for each digest, target and period, however many workers ask."""
    policy = policy_now(now)
    for plan in policy.digests:
        for alias in plan.to:
            for target in policy.channels[alias].targets:
                key = f"{plan.name} for {alias}, {masked(target.address)}"
                on_its_own("begin digest", partial(_start_digest, plan, target, now), key=key)


def _start_digest(plan: DigestPlan, target: To, now: datetime) -> None:
    period = calendar.period_before(now, plan.at, plan.tz, plan.every, plan.weekday)
    if plans.ensure_digest(plan.name, target, period.start, period.end, now):
        log.info("digest.due", digest=plan.name, period=period.label, channel=target.channel)
        wake(f"deliver-{target.channel}")


def tell_of_dead_targets(now: datetime) -> None:
    """A target that was set aside is an alert of its own, which ends when something arrives there and not before."""
    dead = Target.objects.filter(dead_since__isnull=False).order_by("pk")
    told = {f"delivery.{target.pk}" for target in dead}
    # As `_tell_of_dead` raises them; the rest of the open alerts is not looked at.
    raised = Alert.objects.filter(account="", livemode=True, category=Category.DELIVERY, resolved_at__isnull=True)
    open_alerts = raised.filter(source__startswith="delivery.")
    for name in open_alerts.values_list("source", flat=True):
        if name not in told:
            on_its_own("end alert", partial(api.resolve, name, "something arrived there", now), key=name)
    for together in targets.set_aside_together(dead.filter(dead_told=False)):
        on_its_own("tell of the dead target", partial(_tell_of_dead, together, now), key=together[0].pk)


def _tell_of_dead(together: Sequence[Target], now: datetime) -> None:
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
    recipients.hand_over(policy_now(now), now)


def record_handovers(now: datetime) -> None:
    """Who is on call is written down when it changes, hears how what is open goes on, and is sent word."""
    policy = policy_now(now)
    handovers.record(policy, now)
    on_call.join_open(policy, now)
    on_call.announce(policy, now)


def plan_forgotten(now: datetime) -> None:
    """Nothing that was lost stays lost."""
    found = plans.forgotten(policy_now(now), now)
    if found:
        log.error("notification.without_plan", count=found)


def release_outdated(now: datetime) -> None:
    """What is held by a silence or a parent alert that no longer holds it is judged again."""
    on_its_own("judge again what silences held", partial(silences.release_outdated, now))
    on_its_own("judge again what alerts held", partial(inhibit.release_orphans, now))
    on_its_own("hold what is ignored", ignores.catch_up)


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
    seen = source.seen(policy.watch.window, policy.watch.expect, now)
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
    pruned = (attempts, store, silences, ignores, handovers, overrides, heard, listeners)
    return any(one.prune(before) for one in pruned)
