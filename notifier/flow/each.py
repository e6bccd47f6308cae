"""Who has still to answer when a step asks each of its recipients."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from alerts_runtime.redaction.masking import masked
from notifier.facts import Target as To
from notifier.facts import Verb
from notifier.judge.oncall.people import by_address
from notifier.judge.policy import Policy
from notifier.models import Alert, LogEntry


def left(alert: Alert, asked: Iterable[To], policy: Policy, now: datetime) -> list[To]:
    """Those of the asked without an acknowledgement of their own that is in force."""
    said = LogEntry.objects.filter(alert=alert, changed=True)
    taken_back = said.filter(verb=Verb.TAKE_BACK).order_by("-pk").values_list("pk", flat=True).first() or 0
    answers = said.filter(verb=Verb.ACKNOWLEDGE, until__gt=now, pk__gt=taken_back)
    known = set(answers.values_list("who", flat=True)) | set(answers.values_list("address", flat=True))
    return [one for one in asked if not names(one, policy) & known]


def names(target: To, policy: Policy) -> set[str]:
    """What somebody who answers may be called who is told there."""
    person = by_address(policy.people.values(), target.address)
    own = {person.key, person.name, person.user} if person else set[str]()
    return (own | {masked(target.address)}) - {""}
