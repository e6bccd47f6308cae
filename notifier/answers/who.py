"""Finds who somebody is by the number or the Slack user from which they answer."""

from __future__ import annotations

from alerts_runtime.redaction.masking import masked
from notifier.answers.commands import Asker
from notifier.answers.slack_asked import Asked
from notifier.config.conf import get_policy
from notifier.judge.oncall import people
from notifier.judge.oncall.people import Person


def by_number(number: str) -> str:
    """The name of the person with this number; the masked number when only a channel has it; "" for a stranger."""
    policy = get_policy()
    person = people.by_address(policy.people.values(), number)
    if person is not None:
        return person.name
    told = (target.address for channel in policy.channels.values() for target in channel.targets)
    return masked(number) if number and number in told else ""


def in_slack(person: Person, asked: Asked) -> Asker:
    """Somebody who answers in Slack."""
    return Asker(person.name, "slack", asked.user, asked.moment)


def by_slack_id(slack_id: str) -> Person | None:
    """Whose Slack user id it is, in the workspace that the site's token is of."""
    return people.by_slack_id(get_policy().people.values(), slack_id)
