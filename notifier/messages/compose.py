"""Makes a Message of what is due: gathers the facts, renders them, and gives the message its reference."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

from django.conf import settings
from django.db import DatabaseError
from django.utils.html import escape

from alerts_runtime.redaction import masking
from alerts_runtime.redaction.loggers import get_logger
from notifier.facts import Message, Reason
from notifier.intake import source
from notifier.judge.builtin import while_it_holds
from notifier.judge.policy import Policy
from notifier.messages import adding_up, answer_link, digest, notes, render, story
from notifier.messages.sms_text import Rest
from notifier.messages.telling import Story
from notifier.messages.wording import listed
from notifier.models import Alert, Attempt, Digest, Notification
from notifier.outbox import budget
from notifier.outbox.starting import Part

log = get_logger(__name__)


def alert_messages(
    tellings: Sequence[tuple[Sequence[Part], Attempt | None]],
    policy: Policy,
    now: datetime,
    *,
    html: bool = True,
    link: bool = False,
    site_url: str | None = None,
) -> list[Message]:
    """A message for each of `tellings`: about one alert, or a list of several.

    If a telling has an earlier attempt, the message may be a repeat, and gets the reference of that attempt. With
    `link`, a message about one alert gets the link by which its recipient answers. `site_url` is SITE_URL; if it is
    empty, messages have no links to pages.
    """
    named = [_worst(parts) for parts, _ in tellings]
    known = story.look_up([part.row.alert for parts in named for part in parts])
    return [
        _alert_message(
            parts,
            worst,
            policy,
            now,
            before,
            known,
            html=html,
            link=link,
            site_url=_site_url() if site_url is None else site_url,
        )
        for (parts, before), worst in zip(tellings, named, strict=True)
    ]


def _alert_message(
    parts: Sequence[Part],
    worst: Sequence[Part],
    policy: Policy,
    now: datetime,
    before: Attempt | None,
    known: story.Known,
    *,
    html: bool,
    link: bool,
    site_url: str,
) -> Message:
    reference = before.reference if before else new_reference()
    note = _budget_note(parts[0].row.target.channel, policy, now)
    tell = partial(
        story.tell,
        now=now,
        policy=policy,
        site_url=site_url,
        reference=reference,
        possible_repeat=before is not None,
        link=link,
    )
    try:
        stories = [tell(part.row, part.reason, known=known) for part in worst]
        row = parts[0].row
        if row.listed and row.thread:
            return _list_that_stands(row, stories, tell, note)
        if len(parts) == 1:
            return render.render(stories[0], note=note, html=html)
        rest = _rest([part.row for part in parts], stories)
        at_risk = adding_up.at_risk_together(part.row.alert_id for part in parts)
        return render.fold(stories, rest=rest, at_risk=at_risk, note=note, html=html)
    except DatabaseError:
        raise
    except Exception:
        # A bug in rendering must stop neither this alert nor the ones after it.
        log.exception("message.not_rendered", alerts=[part.row.alert_id for part in parts])
        return _plain(parts, reference)


def _list_that_stands(row: Notification, changed: list[Story], tell: Callable[..., Story], note: str) -> Message:
    """The present state of a list that was sent before, to be edited into that message."""
    listed = story.listed_with(row)
    told = {one.id: one for one in changed}
    stories = [
        told.get(one.alert_id) or tell(one, Reason.UPDATE)
        for one in sorted(listed, key=lambda one: _rank(one.alert))[: render.NAMED]
    ]
    return render.fold(
        stories,
        rest=_rest(listed, stories),
        at_risk=adding_up.at_risk_together(one.alert_id for one in listed),
        note=note,
        changed=changed,
        thread=row.thread,
        html=False,
    )


def _worst(parts: Sequence[Part]) -> list[Part]:
    """The parts of a list that get a line of their own."""
    return sorted(parts, key=lambda part: _rank(part.row.alert))[: render.NAMED]


def _rank(alert: Alert) -> tuple[int, ...]:
    """A sort key with the worst first, the same order as sms_text.worst_first."""
    return alert.resolved_at is not None, -alert.severity, not alert.livemode, -alert.count, alert.pk


def _rest(rows: Sequence[Notification], named: Sequence[Story]) -> Rest:
    lines = {one.id for one in named}
    left = [row.alert for row in rows if row.alert_id not in lines]
    return Rest([alert.pk for alert in left], sum(1 for alert in left if alert.resolved_at is not None))


def digest_message(row: Digest, policy: Policy, now: datetime, *, before: Attempt | None = None) -> Message | None:
    """The message of a digest or note; None when nothing happened and the plan does not want quiet digests."""
    if row.kind:
        reference = before.reference if before else new_reference()
        return notes.compose(
            row, policy, now, site_url=_site_url(), reference=reference, possible_repeat=before is not None
        )
    message = digest.compose(
        row,
        policy,
        now,
        count_events=source.event_counts,
        site_url=_site_url(),
        reference=before.reference if before else new_reference(),
        possible_repeat=before is not None,
    )
    url = answer_link.unsubscribe_url(row.target_id, _site_url())
    return replace(message, unsubscribe_url=url) if message and url else message


def new_reference() -> str:
    """A new reference: short enough for an SMS, and never a word."""
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
    """The sentence for the last message that today's budget allows; empty for the others."""
    channel = policy.channels[alias]
    if budget.messages_left(channel, policy.tz, now) != 1:
        return ""
    overflow = policy.channels.get(channel.limits.overflow)
    named = [masking.named(overflow.alias, one.address) for one in overflow.targets] if overflow else []
    where = f" Further pages go to {listed(named)}." if named else ""
    return f"This is the last message here today (budget {channel.limits.messages_per_day or 'in money'}).{where}"
