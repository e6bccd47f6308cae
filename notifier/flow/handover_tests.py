"""A test page at a handover: whoever comes on call shows by answering that pages reach them.

It is an alert like any other, except that it goes to the person on call and not by a route. If it is not answered,
whoever was on call before is told.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from django.db import transaction

from alerts_runtime.isolation.parts import on_its_own
from notifier.alerts.log import append
from notifier.facts import Category, Failure, HeldBy, Note, Severity, Verb, Verdict
from notifier.flow import notes, pipeline
from notifier.judge.match import Matcher
from notifier.judge.oncall.rotation import Rotation
from notifier.judge.policy import HANDOVER_TEST, Policy, Route
from notifier.models import Alert, Handover, Notification
from notifier.oncall import handovers
from notifier.oncall.present import person_on, reach
from notifier.outbox import last_resort

TO_ANSWER = timedelta(minutes=15)
ENDS = timedelta(days=1)  # it ends by itself after this, if no handover ends it before
ANSWERED = "answered"  # how `resolved_how` begins after an answer


def page(row: Handover, rotation: Rotation, policy: Policy, now: datetime) -> None:
    """Page the person who comes on call on every channel that names the rotation. Within the caller's transaction."""
    for earlier in _open():
        if (of := handovers.of_test(earlier.source)) is not None and of.rotation == row.rotation:
            pipeline.resolve(earlier, "handed over since", now)
    channels = {
        alias: replace(channel, targets=(to,))
        for alias, channel in policy.channels.items()
        if rotation.name in channel.rotations and (to := person_on(channel, row.person)) is not None
    }
    only = replace(
        policy,
        routes=(Route(HANDOVER_TEST, Matcher(), tuple(channels)),),
        channels={**policy.channels, **channels},
    )
    source, who = f"{handovers.TESTS}{row.pk}", _name(row.person, policy)
    failure = Failure(key=source, occurred_at=now, exceptions=(), message="", source=source, livemode=True)
    verdict = Verdict(
        severity=Severity.INFO,
        category=Category.DELIVERY,
        transient=False,
        title=f"Test page for {who}, on call for {rotation.name} from now on"[:150],
        hint="Acknowledge it: that shows that pages reach you, and ends it. "
        f"After {TO_ANSWER.seconds // 60} minutes without an answer it goes to who was on call before.",
        fingerprint=source,
        rule=HANDOVER_TEST,
    )
    pipeline.raised(failure, verdict, only, now, resolve_after=ENDS)


def is_one(alert: Alert) -> bool:
    return alert.source.startswith(handovers.TESTS) and alert.rule == HANDOVER_TEST


def answer(alert: Alert, who: str, policy: Policy, now: datetime) -> None:
    """End a test page that was acknowledged, and tell whoever was told that it had no answer."""
    pipeline.resolve(alert, f"{ANSWERED} by {who}"[:50], now)
    row = handovers.of_test(alert.source)
    before = handovers.before(row) if row else None
    if row and before and before.person and _has_been_passed_on(alert):
        notes.plan(Note.UNANSWERED, row.rotation, [before.person], now, policy, now, row.pk)


def look(policy: Policy, now: datetime) -> None:
    """Tell of the test pages that were not answered in time."""
    for alert in _open():
        on_its_own("pass a test page on", partial(_pass_on, alert.pk, policy, now), key=alert.pk)


def _pass_on(pk: int, policy: Policy, now: datetime) -> None:
    with transaction.atomic():
        alert = Alert.objects.select_for_update(of=("self",)).filter(pk=pk, resolved_at__isnull=True).first()
        row = handovers.of_test(alert.source) if alert else None
        if alert is None or row is None or _has_been_passed_on(alert) or not _is_late(alert, now):
            return
        before = handovers.before(row)
        person = before.person if before and before.person != row.person else ""
        if person and reach(person, row.rotation, policy) is not None:
            notes.plan(Note.UNANSWERED, row.rotation, [person], row.at, policy, now, row.pk)
            told = f"{_name(person, policy)}, who was on call before, is told"
        else:
            last_resort.not_acknowledged(alert)
            told = "nobody who was on call before can be told, so the last resort is (the log, ADMINS)"
        append(
            alert, Verb.STEP, now, through="route", outcome=HANDOVER_TEST, detail=f"Nobody has acknowledged it: {told}"
        )


def _is_late(alert: Alert, now: datetime) -> bool:
    """Whether it was sent, or should have been, too long ago. One that is held, as by quiet hours, is not late."""
    rows = list(Notification.objects.filter(alert=alert))
    if any(row.due_at and row.held_by not in ("", HeldBy.DIVERTED) for row in rows):
        return False
    asked = min((row.told_at for row in rows if row.told_at), default=alert.opened_at)
    return now - asked >= TO_ANSWER


def _has_been_passed_on(alert: Alert) -> bool:
    return alert.log.filter(verb=Verb.STEP).exists()


def _open() -> list[Alert]:
    # With these conditions the database uses the index of open alerts.
    of_kind = Alert.objects.filter(account="", livemode=True, category=Category.DELIVERY, resolved_at__isnull=True)
    return list(of_kind.filter(source__startswith=handovers.TESTS))


def _name(person: str, policy: Policy) -> str:
    return policy.people[person].name if person in policy.people else person
