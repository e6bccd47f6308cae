"""Who was paged for an alert, and who of them has answered."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from alerts_runtime.redaction.masking import masked
from notifier.facts import Recipient, Verb
from notifier.judge.oncall.people import Person, by_address
from notifier.judge.policy import Policy
from notifier.models import Alert, LogEntry, Notification


def left(alert: Alert, asked: Iterable[Recipient], policy: Policy, now: datetime) -> list[Recipient]:
    """Those of `asked` who have not acknowledged the alert themselves, or whose acknowledgement has run out."""
    said = LogEntry.objects.filter(alert=alert, changed=True)
    taken_back = said.filter(verb=Verb.TAKE_BACK).order_by("-pk").values_list("pk", flat=True).first() or 0
    answers = said.filter(verb=Verb.ACKNOWLEDGE, until__gt=now, pk__gt=taken_back)
    known = set(answers.values_list("who", flat=True)) | set(answers.values_list("address", flat=True))
    return [one for one in asked if not names(one, policy) & known]


def is_uninvited(alert: Alert, who: str, address: str, policy: Policy) -> bool:
    """Whether people were paged for an alert, and `who`, who says something about it, is not one of them.

    False if only channels that many people read were told: then it is not known who was.
    """
    told = Notification.objects.filter(alert=alert, told_at__isnull=False).select_related("target")
    paged = [one for row in told if _person(one := _recipient(row, policy), policy)]
    return bool(paged) and not any(names(one, policy) & {who, masked(address)} for one in paged)


def names(target: Recipient, policy: Policy) -> set[str]:
    """The names under which the person behind a recipient may appear in the log of answers."""
    person = _person(target, policy)
    own = {person.key, person.name, person.user} if person else set[str]()
    return (own | {masked(target.address)}) - {""}


def _recipient(row: Notification, policy: Policy) -> Recipient:
    """The recipient of a notification, also if it is a person who is no longer on call."""
    channel = policy.channels.get(row.target.channel)
    known = channel.people.get(row.target.key) if channel else None
    return known or Recipient(row.target.channel, "", row.target.address)


def _person(target: Recipient, policy: Policy) -> Person | None:
    return policy.people.get(target.person) or by_address(policy.people.values(), target.address)
