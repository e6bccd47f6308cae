"""What has to be done at regular times, in any number of workers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial

from alerts_runtime.database.retention import Pruner
from alerts_runtime.isolation.parts import Parts, on_its_own
from alerts_runtime.leasing import clock
from alerts_runtime.leasing.clock import SteppedBack
from alerts_runtime.redaction.loggers import get_logger
from alerts_runtime.redaction.masking import masked
from alerts_runtime.wakeups.wake import wake
from notifier.alerts import store
from notifier.config.conf import get_policy
from notifier.delivery import holes, idle_probe
from notifier.delivery.deaf import Deaf
from notifier.delivery.own_alerts import tell_of_dead_targets, tell_of_unreadable_silences, watch_inbound
from notifier.facts import Recipient
from notifier.flow import escalations, heard, ignores, inhibit, listeners, on_call, pipeline, silences, stepping
from notifier.intake import source
from notifier.judge import calendar
from notifier.judge.policy import DigestPlan
from notifier.oncall import handovers, overrides
from notifier.oncall.present import policy_now
from notifier.outbox import (
    digests,
    forgotten,
    holding,
    pruning,
    recipients,
    reports,
    settle,
)

log = get_logger(__name__)


class Tick:
    """Runs each part at its own interval (seconds). Safe in any number of workers; one that raises stops no other."""

    def __init__(self, now: Callable[[], datetime] = clock.now) -> None:
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
        """Run the parts that are due; seconds until the next call. Raises when the database cannot be reached."""
        self._parts(self._now)
        return 1.0

    def _mind_the_clock(self, now: datetime) -> None:
        if back := self._stepped_back.since(now):
            holding.bring_forward(back, now)
            escalations.bring_forward(back, now)


def escalate(now: datetime) -> None:
    """Take the escalation steps that are due, of alerts that nobody has acknowledged."""
    stepping.take_due(policy_now(now), now)


def resolve_overdue(now: datetime) -> None:
    """Resolve alerts after their quiet time, and those without a failure for "FORGET_AFTER"."""
    for alert, how in store.overdue_to_resolve(now, get_policy().forget_after):
        on_its_own("end alert", partial(pipeline.resolve, alert, how, now), key=alert.pk)


def start_digests(now: datetime) -> None:
    """Make the row of each digest, target and period that has ended, unless another worker has."""
    policy = policy_now(now)
    for plan in policy.digests:
        for alias in plan.to:
            for target in policy.channels[alias].targets:
                key = f"{plan.name} for {alias}, {masked(target.address)}"
                on_its_own("begin digest", partial(_start_digest, plan, target, now), key=key)


def _start_digest(plan: DigestPlan, target: Recipient, now: datetime) -> None:
    period = calendar.period_before(now, plan.at, plan.tz, plan.every, plan.weekday)
    if digests.ensure_digest(plan.name, target, period.start, period.end, now):
        log.info("digest.due", digest=plan.name, period=period.label, channel=target.channel)
        wake(f"deliver-{target.channel}")


def hand_over(now: datetime) -> None:
    """Pass on the messages of recipients that NOTIFIER no longer names."""
    recipients.hand_over(policy_now(now), now)


def record_handovers(now: datetime) -> None:
    """Record handovers. Whoever comes on call hears how open alerts go on, and those concerned are sent a note."""
    policy = policy_now(now)
    handovers.record(policy, now)
    on_call.join_open(policy, now)
    on_call.announce(policy, now)


def plan_forgotten(now: datetime) -> None:
    """Plan notifications that a bug has left without a due time, and log that there were any."""
    found = forgotten.plan(policy_now(now), now)
    if found:
        log.error("notification.without_plan", count=found)


def release_outdated(now: datetime) -> None:
    """Judge again what a silence or a parent alert held that no longer does."""
    on_its_own("judge again what silences held", partial(silences.release_outdated, now))
    on_its_own("judge again what alerts held", partial(inhibit.release_orphans, now))
    on_its_own("hold what is ignored", ignores.catch_up)


def prune(now: datetime) -> bool:
    """Delete a batch of what is older than NOTIFIER["RETENTION"]; whether there was any."""
    before = now - get_policy().retention
    pruned = (pruning, store, silences, ignores, handovers, overrides, heard, listeners)
    return any(one.prune(before) for one in pruned)
