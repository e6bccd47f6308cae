"""Who was paged for an alert, and who of them has answered."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from alerts_runtime.redaction.masking import masked
from notifier.facts import Target as To
from notifier.facts import Verb
from notifier.judge.oncall.people import Person, by_address
from notifier.judge.policy import Policy
from notifier.models import Alert, LogEntry, Notification


def left(alert: Alert, asked: Iterable[To], policy: Policy, now: datetime) -> list[To]:
    """Those of the asked without an acknowledgement of their own that is in force."""
    said = LogEntry.objects.filter(alert=alert, changed=True)
    taken_back = said.filter(verb=Verb.TAKE_BACK).order_by("-pk").values_list("pk", flat=True).first() or 0
    answers = said.filter(verb=Verb.ACKNOWLEDGE, until__gt=now, pk__gt=taken_back)
    known = set(answers.values_list("who", flat=True)) | set(answers.values_list("address", flat=True))
    return [one for one in asked if not names(one.address, policy) & known]


def is_uninvited(alert: Alert, who: str, address: str, policy: Policy) -> bool:
    """Whether people were paged for an alert, and whoever says something about it is none of them.

    Of what was told to a channel that many read nobody can say who was told.
    """
    told = Notification.objects.filter(alert=alert, told_at__isnull=False)
    paged = [one for one in told.values_list("target__address", flat=True) if _person(one, policy)]
    return bool(paged) and not any(names(one, policy) & {who, masked(address)} for one in paged)


def names(address: str, policy: Policy) -> set[str]:
    """What somebody who answers may be called who is told there."""
    person = _person(address, policy)
    own = {person.key, person.name, person.user} if person else set[str]()
    return (own | {masked(address)}) - {""}


def _person(address: str, policy: Policy) -> Person | None:
    return by_address(policy.people.values(), address)
