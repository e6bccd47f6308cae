"""The stages in order, from a failure to the plans for its targets. Safe to run again for the same failure."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import Q

from alerts_runtime.redaction.loggers import get_logger
from alerts_runtime.wakeups.wake import wake
from notifier.alerts import counting, store
from notifier.alerts.counting import Recorded
from notifier.config.conf import get_policy
from notifier.facts import NEVER_AGAIN, Failure, HeldBy, Verdict
from notifier.flow import escalations, ignores, inhibit, stepping, steps
from notifier.judge.classify import classify
from notifier.judge.escalation import Level
from notifier.judge.policy import Policy
from notifier.judge.route import Routing, route
from notifier.models import Alert
from notifier.oncall.present import policy_now
from notifier.outbox import holding, pages, plans

log = get_logger(__name__)


def failed(failure: Failure, now: datetime) -> Recorded | None:
    """Classify a failure, count it on its alert and plan who hears of it; None when ignored or counted before."""
    policy = policy_now(now)
    verdict = classify(failure, policy.rules)
    if verdict is None:
        log.info("failure.ignored", event_id=failure.event_id, error=failure.exceptions[:1])
        return None
    return raised(failure, verdict, policy, now)


def raised(
    failure: Failure,
    verdict: Verdict,
    policy: Policy,
    now: datetime,
    *,
    resolve_after: timedelta | None = None,
) -> Recorded | None:
    """The same for a failure that has been classified already."""
    for _ in range(3):
        routing = route(failure, verdict, verdict.severity, policy)
        try:
            with transaction.atomic():
                recorded = counting.record(
                    failure,
                    verdict,
                    quiet_period=policy.quiet_period,
                    resolve_after=resolve_after,
                    planned_for=routing.key,
                )
                told_again = ignores.heed(recorded, failure, policy.release, now)
                if recorded.severity is not verdict.severity:
                    routing = route(failure, verdict, recorded.severity, policy)
                # In a storm everything is planned already, which comparing two hashes shows.
                planned = recorded.planned_for == routing.key
                due = not planned and _plan(recorded, routing, policy, now)
            break
        except counting.AlreadyCountedError:
            return None
        except IntegrityError:
            continue  # another worker opened the same alert at the same moment
    else:
        raise RuntimeError(f"failure {failure.key} could not be recorded: its alert keeps changing")
    if told_again:
        _wake(policy.channels)
    elif due:
        _wake(one.target.channel for one in routing.targets)
    log.log(
        logging.DEBUG if planned else logging.INFO,  # the failed event has its own line in the log already
        "failure.recorded",
        alert=recorded.alert_id,
        occurrence=recorded.seq,
        opened=recorded.opened,
        severity=recorded.severity.label,
        rule=verdict.rule,
        event_id=failure.event_id,
        targets=[one.target.channel for one in routing.targets],
    )
    return recorded


def _plan(recorded: Recorded, routing: Routing, policy: Policy, now: datetime) -> bool:
    """Plan who hears of a counted failure; True when something is due now."""
    alert = recorded.new or Alert.objects.get(pk=recorded.alert_id)
    inhibit.relate(alert, policy)
    due = plans.plan(alert, routing, policy, now, new=recorded.opened, reopened=recorded.reopened)
    escalations.begin(alert, routing.taken_by, now, anew=recorded.reopened)
    return due


def recovered(event_id: str, how: str, now: datetime, *, after_commit: bool = True, of: Q | None = None) -> list[Alert]:
    """An event that had failed is processed: its occurrences are recovered; the alerts that this resolved."""
    policy = get_policy()
    with transaction.atomic():
        resolved = store.recover(event_id, how, now, after_commit=after_commit, of=of)
        for alert in resolved:
            _over(alert, policy, now)
    return resolved


def settled(event_id: str, by: str, now: datetime) -> None:
    """An event that had failed is never to be run again: no alert waits for it any more, and some may be over."""
    policy = get_policy()
    with transaction.atomic():
        for alert in store.recover(event_id, NEVER_AGAIN, now, ended=by):
            _over(alert, policy, now)


def resolve(alert: Alert, how: str, now: datetime) -> bool:
    """Resolve an alert and tell whoever was told of it; False when it was over already."""
    with transaction.atomic():
        if not store.resolve(alert, how, now):
            return False
        _over(alert, get_policy(), now)
    return True


def acknowledge(alert: Alert, by: str, now: datetime, until: datetime | None = None) -> bool:
    """Note that somebody takes care of an alert: updates, reminders and escalation wait until then.

    Arguments:
        alert: the notifier.models.Alert.
        by: who, in words that people read.
        now: the present, an aware datetime.
        until: when that runs out, aware; left out, after NOTIFIER["ACKNOWLEDGE_FOR"] (8 hours).

    Returns False when the alert is over.
    """
    with transaction.atomic():
        if known := Alert.objects.select_for_update(of=("self",)).filter(pk=alert.pk).first():
            escalations.pause_ends(known, policy_now(now), now)
        done = store.acknowledge(alert, by, now, until or now + get_policy().acknowledge_for)
        if done:
            # It was held until the end of the acknowledgement before this.
            holding.release_held(HeldBy.ACKNOWLEDGED, now, alert=alert)
            escalations.changed(Alert.objects.get(pk=alert.pk), policy_now(now), now)
    return done


def take_back(alert: Alert, now: datetime) -> None:
    """Take an acknowledgement back, and judge again what waited for its end."""
    with transaction.atomic():
        escalations.pause_ends(alert, policy_now(now), now)
        store.take_back(alert)
        escalations.changed(Alert.objects.get(pk=alert.pk), policy_now(now), now)
        holding.release_held(HeldBy.ACKNOWLEDGED, now, alert=alert)


def escalate(alert: Alert, now: datetime) -> Level | None:
    """Take an alert's next step now, even if it is acknowledged; None, and no change, when no step is left."""
    policy = policy_now(now)
    with transaction.atomic():
        if not steps.coming(alert, policy, now):
            return None
        take_back(alert, now)
        alert.refresh_from_db()
        return stepping.take_next(alert, policy, now)


def asks(alert: Alert, person: str, address: str, now: datetime) -> bool:
    """Whether a step of its escalation asks each of several people, and this person has not answered."""
    return steps.asks(alert, person, address, policy_now(now), now)


def reconsider(alert: Alert, now: datetime) -> None:
    """Plan an alert's steps again after an answer: perhaps everybody whom they ask has answered now."""
    escalations.changed(Alert.objects.get(pk=alert.pk), policy_now(now), now)


def answered(alert: Alert, entry: int, address: str, now: datetime) -> None:
    """Tell an entry of an alert's log to all who were told of the alert, except to `address`, from where it came."""
    policy = get_policy()
    with transaction.atomic():
        store.answered(alert, entry)
        pages.knows(alert, address)
        if plans.replan_all(alert, policy, now):
            transaction.on_commit(lambda: _wake(policy.channels))


def _over(alert: Alert, policy: Policy, now: datetime) -> None:
    log.info("alert.resolved", alert=alert.pk, how=alert.resolved_how, occurrences=alert.count)
    inhibit.ended(alert, now)
    escalations.changed(alert, policy, now)
    if plans.replan_all(alert, policy, now):
        transaction.on_commit(lambda: _wake(policy.channels))


def _wake(channels: Iterable[str]) -> None:
    for channel in set(channels):
        wake(f"deliver-{channel}")
