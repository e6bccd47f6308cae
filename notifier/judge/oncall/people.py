"""A person as NOTIFIER["PEOPLE"] describes them, and how somebody who answers is recognised. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

SLACK = "slack"  # the kind of channel that reaches a person by their Slack user id
SMS = "sms"  # the kind of channel whose addresses are telephone numbers


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who can be on call, and their addresses by a channel's alias or kind (sms, email, slack)."""

    key: str  # in NOTIFIER["PEOPLE"]
    name: str
    addresses: Mapping[str, str] = field(default_factory=dict, repr=False)  # personal: never in a log
    slack_id: str = ""
    tz: str = ""  # "" is the zone of their rotation
    user: str = ""  # the username in Django

    def address_on(self, alias: str, kind: str) -> str:
        """Where this channel finds them, or "": its own entry, else that of its kind, else their Slack user id."""
        own = self.addresses.get(alias) or self.addresses.get(kind, "")
        return own or (self.slack_id if kind == SLACK else "")


def by_slack_id(people: Iterable[Person], slack_id: str) -> Person | None:
    return next((one for one in people if slack_id and one.slack_id == slack_id), None)


def by_address(people: Iterable[Person], address: str) -> Person | None:
    """Whose address it is, on any channel. Telephone numbers must be in E.164, as those in PEOPLE are."""
    return next((one for one in people if address and address in one.addresses.values()), None)
