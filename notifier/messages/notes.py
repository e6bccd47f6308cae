"""Notes to a person about a rotation: that they are on call and what is open, or who takes over.

Like every message a note is made when it is sent, so that it says what is true then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.db.models import Exists, OuterRef
from django.template.loader import render_to_string

from notifier.channels.text import POSSIBLE_REPEAT, plain
from notifier.facts import Link, Message, Note, Reason, Severity
from notifier.judge.oncall.rotation import Rotation
from notifier.judge.policy import Policy
from notifier.messages.digest_page import Block, Row
from notifier.messages.links import alert_url, alerts_url
from notifier.messages.oncall import name_of, taken, undone
from notifier.messages.render import COLOURS
from notifier.messages.wording import clock, counted, shorten
from notifier.models import Alert, Digest, Handover, Notification, Override
from notifier.oncall.duty import duty_at
from notifier.oncall.handovers import TESTS

NAMED = 20  # alerts that are listed
WHAT, SHORT = 160, 290  # characters


@dataclass(frozen=True, slots=True)
class Said:
    """The contents of a note: a title, sentences, and open alerts."""

    title: str
    facts: tuple[str, ...] = ()
    open: Sequence[Row] = ()
    rest: str = ""


def compose(
    row: Digest, policy: Policy, now: datetime, *, site_url: str, reference: str, possible_repeat: bool
) -> Message | None:
    """The message of a note; None when it is no longer true."""
    said = _said(row, policy, now, site_url)
    if said is None:
        return None
    url = alerts_url(site_url)
    message = Message(
        reason=Reason.DIGEST,
        severity=Severity.INFO,
        title=said.title,
        summary=(*said.facts, *(f"{one.name}; {one.detail}" for one in said.open), *([said.rest] if said.rest else [])),
        footer=(f"Reference {reference}",) if reference else (),
        links=(Link("All alerts", url),) if url and said.open else (),
        short=_short(said),
        subject=said.title,
        reference=reference,
        possible_repeat=possible_repeat,
    )
    blocks = (Block("Open", tuple(said.open), said.rest),) if said.open else ()
    page = {"message": message, "facts": said.facts, "blocks": blocks, "possible_repeat": POSSIBLE_REPEAT}
    html = render_to_string("notifier/email/digest.html", page | {"colour": COLOURS[Severity.INFO]})
    return replace(message, text=f"{plain(message)}\n", html=html)


def _said(row: Digest, policy: Policy, now: datetime, site_url: str) -> Said | None:
    match row.kind:
        case Note.HANDOVER:
            handover = Handover.objects.filter(pk=row.about).first()
            return _handover(handover, policy, now, site_url) if handover else None
        case Note.DAY_BEFORE:
            return _day_before(row, policy, now)
        case Note.UNANSWERED:
            handover = Handover.objects.filter(pk=row.about).first()
            return _unanswered(handover, row, policy, now) if handover else None
        case Note.OVERRIDE:
            override = Override.objects.filter(pk=row.about).first()
            say = undone if override and override.undone_at else taken
            return Said(say(override, policy, now)) if override else None
    return None


def _handover(row: Handover, policy: Policy, now: datetime, site_url: str) -> Said | None:
    rotation = policy.rotations.get(row.rotation)
    duty = duty_at(rotation, now) if rotation else None
    if rotation is None or duty is None or duty.person != row.person:
        return None
    tz = _zone_of(row.person, rotation, policy)
    until = f" until {clock(duty.until, now, tz)}" if duty.until else ""
    before = Handover.objects.filter(rotation=row.rotation, at__lt=row.at).order_by("at").last()
    alerts = _open(rotation, policy)
    waiting = [alert for alert in alerts if not _has_it(alert, now)]
    how = f"{counted(len(alerts), 'alert is', 'alerts are')} open, {len(waiting)} of them acknowledged by nobody."
    return Said(
        title=f"You are on call for {rotation.name}{until}",
        facts=(
            f"You take over from {name_of(before.person if before else None, policy.people)}.",
            how if alerts else "Nothing is open.",
        ),
        open=[_line(alert, tz, now, site_url) for alert in alerts[:NAMED]],
        rest=f"and {len(alerts) - NAMED} more" if len(alerts) > NAMED else "",
    )


def _unanswered(row: Handover, note: Digest, policy: Policy, now: datetime) -> Said | None:
    """For whoever was on call before: the next person has not answered the test page, or has after all."""
    alert = Alert.objects.filter(source=f"{TESTS}{row.pk}").order_by("pk").last()
    if alert is None or (alert.resolved_at is not None) is (note.ends_at == row.at):
        return None  # it was answered meanwhile
    who = name_of(row.person, policy.people)
    if alert.resolved_at is not None:
        told = Digest.objects.filter(name=note.name, target=note.target_id, ends_at=row.at, sent_at__isnull=False)
        if not told.exists():
            return None
        return Said(f"The test page for {row.rotation} is over: {alert.resolved_how}")
    tz = _zone_of(note.target.key.partition(":person ")[2], policy.rotations.get(row.rotation), policy)
    you = f"manage.py override {row.rotation} YOU --for 8h, or /alerts take {row.rotation} 8h in Slack"
    return Said(
        title=f"{who} has not answered the test page for {row.rotation} (alert {alert.pk})",
        facts=(
            f"{who} is on call since {clock(row.at, now, tz)}. You were before, so it comes to you.",
            f"Reach {who}, or take the shift: {you}.",
        ),
    )


def _zone_of(person: str | None, rotation: Rotation | None, policy: Policy) -> str:
    """The zone of the person who is told of their own shift, else that of the rotation."""
    known = policy.people.get(person or "")
    return (known.tz if known else "") or (rotation.tz if rotation else policy.tz)


def _open(rotation: Rotation, policy: Policy) -> list[Alert]:
    """The open alerts that go to the rotation's channels, the worst first."""
    channels = [alias for alias, channel in policy.channels.items() if rotation.name in channel.rotations]
    told = Notification.objects.filter(alert=OuterRef("pk"), target__channel__in=channels).exclude(route="")
    rows = Alert.objects.filter(Exists(told), resolved_at__isnull=True).exclude(source__startswith=TESTS)
    return list(rows.order_by("-severity", "pk"))


def _line(alert: Alert, tz: str, now: datetime, site_url: str) -> Row:
    severity = Severity(alert.severity)
    since = f"{counted(alert.count, 'failure')} since {clock(alert.opened_at, now, tz)}"
    has_it = "acknowledged by nobody"
    if _has_it(alert, now) and alert.acknowledged_until:
        by = shorten(alert.acknowledged_by, 60) or "somebody"
        has_it = f"acknowledged by {by} until {clock(alert.acknowledged_until, now, tz)}"
    return Row(
        name=f"Alert {alert.pk}, {severity.label}: {shorten(alert.headline, WHAT)}",
        detail=f"{since}; {has_it}",
        colour=COLOURS[severity],
        url=alert_url(alert.pk, site_url),
    )


def _has_it(alert: Alert, now: datetime) -> bool:
    return alert.acknowledged_until is not None and alert.acknowledged_until > now


def _day_before(row: Digest, policy: Policy, now: datetime) -> Said | None:
    rotation = next((one for one in policy.rotations.values() if row.name == f"{Note.DAY_BEFORE} of {one.name}"), None)
    if rotation is None or row.ends_at <= now:
        return None
    duty = duty_at(rotation, row.ends_at)
    if row.target.key.partition(":")[2] != f"person {duty.person}":
        return None
    tz = _zone_of(duty.person, rotation, policy)
    until = f" until {clock(duty.until, now, tz)}" if duty.until else ""
    return Said(f"You are on call for {rotation.name} from {clock(row.ends_at, now, tz)}{until}")


def _short(said: Said) -> str:
    """The note in one SMS."""
    text = said.title.rstrip(".")
    for more in (*said.facts[1:], *(f"{one.name}; {one.detail}" for one in said.open)):
        text = f"{text}. {more.rstrip('.')}" if len(text) + len(more) + 3 <= SHORT else text
    return f"{text}."
