"""The channels by which answers may come."""

from __future__ import annotations

from collections.abc import Iterable

from django.core.exceptions import ImproperlyConfigured

from notifier.config.conf import get_policy
from notifier.judge.policy import ChannelConfig


def channels() -> Iterable[ChannelConfig]:
    """All channels; none when NOTIFIER cannot be read, about which `manage.py check` says more."""
    try:
        return get_policy().channels.values()
    except ImproperlyConfigured:
        return ()


def answers_from(number: str) -> ChannelConfig | None:
    """The SMS channel on which a number is answered, which pays for that: one that reaches it, else any that hears."""
    hearing = [one for one in channels() if one.kind == "sms" and one.options.get("inbound")]
    reaching = (one for one in hearing if number in {to.address for to in (*one.targets, *one.people.values())})
    return next(reaching, next(iter(hearing), None))
