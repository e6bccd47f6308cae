"""SMS may arrive in another order than they were sent, and Twilio does not say when that was: then people are asked."""

from __future__ import annotations

from datetime import datetime, timedelta

from alerts_runtime.redaction.masking import masked
from notifier.answers.commands import Asker, Verb
from notifier.models import Alert, LogEntry

LATE = timedelta(minutes=1)  # by how much one may come after another that was sent later


def overtaken(alert: Alert, asker: Asker, now: datetime) -> str:
    """Why an acknowledgement does not count: its sender may have given the alert away after it was sent.

    Then nobody has the alert and messages go on, which is what does no harm. The same once more counts.
    """
    last = _last(alert, asker, now)
    if last is None or last.verb not in _GIVEN_AWAY or not (last.changed or last.verb == Verb.TAKE_BACK):
        return ""
    return f"{_GIVEN_AWAY[Verb(last.verb)]} just now, and this may be older. Nothing was done; send it again if not."


def insists(alert: Alert, verb: Verb, asker: Asker, now: datetime) -> bool:
    """Whether somebody says by SMS a second time what they were refused a moment ago."""
    last = _last(alert, asker, now)
    return last is not None and last.verb == verb and not last.changed


def _last(alert: Alert, asker: Asker, now: datetime) -> LogEntry | None:
    """What they said of it by SMS in the message before this one, if that was a moment ago."""
    if asker.through != "sms":
        return None
    said = alert.log.filter(through="sms", who=asker.person, address=masked(asker.address))
    return said.filter(at__gte=now - LATE, at__lt=now).order_by("-pk").first()


_GIVEN_AWAY = {Verb.TAKE_BACK: "you took it back", Verb.ESCALATE: "you handed it on"}
