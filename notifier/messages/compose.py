"""From what is due to a Message: gathers the facts, renders them, gives the message its reference."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime

import structlog
from django.conf import settings
from django.db import DatabaseError
from django.utils.html import escape

from notifier import budget, inbound
from notifier.attempts import Part
from notifier.builtin import while_it_holds
from notifier.facts import Message
from notifier.messages import digest, render, story
from notifier.models import Attempt, Digest
from notifier.policy import Policy

log = structlog.get_logger(__name__)


def alert_messages(
    tellings: Sequence[tuple[Sequence[Part], Attempt | None]], policy: Policy, now: datetime, *, html: bool = True
) -> list[Message]:
    """A message for each telling: on one alert, or on several folded into one.

    With a try before it a telling is a possible repeat, and carries the reference of the first.
    """
    known = story.look_up([part.row.alert for parts, _ in tellings for part in parts])
    return [_alert_message(parts, policy, now, before, known, html=html) for parts, before in tellings]


def _alert_message(
    parts: Sequence[Part], policy: Policy, now: datetime, before: Attempt | None, known: story.Known, *, html: bool
) -> Message:
    reference = before.reference if before else new_reference()
    note = _budget_note(parts[0].row.target.channel, policy, now)
    try:
        stories = [
            story.tell(
                part.row,
                part.reason,
                now,
                policy=policy,
                site_url=_site_url(),
                reference=reference,
                possible_repeat=before is not None,
                known=known,
            )
            for part in parts
        ]
        if len(stories) == 1:
            return render.render(stories[0], note=note, html=html)
        return render.fold(stories, at_risk=story.at_risk_together(stories), note=note, html=html)
    except DatabaseError:
        raise
    except Exception:
        # A fault in a template must not keep an alert from people, nor those that wait behind it.
        log.exception("message could not be rendered", alerts=[part.row.alert_id for part in parts])
        return _plain(parts, reference)


def digest_message(row: Digest, policy: Policy, now: datetime, *, before: Attempt | None = None) -> Message | None:
    """A period's digest; None when nothing happened and the plan wants no word of that."""
    return digest.compose(
        row,
        policy,
        now,
        count_events=inbound.event_counts,
        site_url=_site_url(),
        reference=before.reference if before else new_reference(),
        possible_repeat=before is not None,
    )


def new_reference() -> str:
    """Short enough for an SMS, and not to be taken for a word."""
    return secrets.token_hex(4)


def _site_url() -> str:
    return str(getattr(settings, "SITE_URL", ""))


def _plain(parts: Sequence[Part], reference: str) -> Message:
    alerts = [part.row.alert for part in parts]
    lines = tuple(f"{alert.headline} ({alert.count} so far, alert {alert.pk})" for alert in alerts)
    return Message(
        reason=parts[0].reason,
        severity=max(part.severity for part in parts),
        title=alerts[0].headline,
        summary=lines,
        action=while_it_holds(alerts[0].hint, waits=alerts[0].will_retry),
        footer=("The details could not be laid out; the log says why.",),
        short="; ".join(lines),
        subject=alerts[0].headline,
        text="\n".join(lines),
        html="".join(f"<p>{escape(line)}</p>" for line in lines),
        reference=reference,
        thread=parts[0].row.thread,
    )


def _budget_note(alias: str, policy: Policy, now: datetime) -> str:
    """Said in the last message that today's budget allows."""
    channel = policy.channels[alias]
    if budget.messages_left(channel, policy.tz, now) != 1:
        return ""
    overflow = policy.channels.get(channel.limits.overflow)
    where = f" Further pages go to {overflow.targets[0].address}." if overflow and overflow.targets else ""
    return f"This is the last message here today (budget {channel.limits.messages_per_day or 'in money'}).{where}"
