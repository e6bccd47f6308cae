"""After a handover: whoever comes on call hears how open alerts go on, and those concerned are sent notes."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise

from django.db import transaction
from django.db.models import Exists, OuterRef

from alerts_runtime.isolation.parts import on_its_own
from alerts_runtime.redaction.loggers import get_logger
from notifier.facts import Note, Recipient
from notifier.flow import handover_tests, notes
from notifier.judge.oncall.rota import shifts
from notifier.judge.oncall.rotation import Rotation
from notifier.judge.policy import ChannelConfig, Policy
from notifier.models import Alert, Handover, Notification, Override
from notifier.oncall import handovers, overrides
from notifier.outbox import pages

log = get_logger(__name__)

AT_ONCE = 200
DAY = timedelta(days=1)


def join_open(policy: Policy, now: datetime) -> None:
    """Add whoever is on call now to the open alerts that others on call before them were told of."""
    for channel in policy.channels.values():
        for target in channel.targets:
            if target.key in channel.people:
                for pk in _to_join(channel, target):
                    on_its_own("join alert", partial(_join, pk, channel, target, policy, now), key=pk)


def _to_join(channel: ChannelConfig, target: Recipient) -> list[int]:
    rows = Notification.objects.filter(alert=OuterRef("pk")).exclude(route="")
    told = rows.filter(target__key__in=channel.people, told_seq__gt=0)
    own = rows.filter(target__key=target.key)
    return list(
        Alert.objects.filter(Exists(told), ~Exists(own), resolved_at__isnull=True).values_list("pk", flat=True)[
            :AT_ONCE
        ]
    )


def _join(pk: int, channel: ChannelConfig, target: Recipient, policy: Policy, now: datetime) -> None:
    with transaction.atomic():
        alert = Alert.objects.select_for_update(of=("self",)).filter(pk=pk, resolved_at__isnull=True).first()
        told = Notification.objects.filter(alert=pk, target__key__in=channel.people, told_seq__gt=0).exclude(route="")
        last = told.order_by("-told_at").first()
        if alert is None or last is None:
            return
        pages.join(alert, target, last.route, policy, now)
    log.info("oncall.joined", alert=pk, channel=target.channel, person=target.person)


def announce(policy: Policy, now: datetime) -> None:
    """Send the notes of handovers, of overrides (to both people), and of tomorrow's shifts, as the rotations say."""
    for handover in handovers.unannounced(now):
        on_its_own("announce handover", partial(_announce, handover, policy, now), key=handover.pk)
    for override in overrides.unannounced(now):
        on_its_own("announce override", partial(_tell_both, override, policy, now), key=override.pk)
    for rotation in policy.rotations.values():
        if rotation.day_before:
            on_its_own("announce shifts", partial(_day_before, rotation, policy, now), key=rotation.name)
    if any(rotation.handover_test for rotation in policy.rotations.values()):
        handover_tests.look(policy, now)


def _announce(row: Handover, policy: Policy, now: datetime) -> None:
    rotation, before = policy.rotations.get(row.rotation), handovers.before(row)
    with transaction.atomic():
        if not handovers.announced(row) or rotation is None:
            return
        if not row.person or before is None or before.person == row.person:
            return
        if rotation.handover_test:
            handover_tests.page(row, rotation, policy, now)
        if rotation.handover_message:
            notes.plan(Note.HANDOVER, rotation.name, [row.person], row.at, policy, now, row.pk)


def _tell_both(row: Override, policy: Policy, now: datetime) -> None:
    with transaction.atomic():
        if overrides.announced(row):
            both = dict.fromkeys(person for person in (row.person, row.instead_of) if person)
            notes.plan(Note.OVERRIDE, row.rotation, both, row.undone_at or row.created_at, policy, now, row.pk)


def _day_before(rotation: Rotation, policy: Policy, now: datetime) -> None:
    for before, shift in pairwise(shifts(rotation, overrides.in_force(rotation.name, now), now, now + DAY)):
        if shift.person and shift.person != before.person:
            notes.plan(Note.DAY_BEFORE, rotation.name, [shift.person], shift.start, policy, now)
