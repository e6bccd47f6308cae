"""The policy with whoever is on call now among the recipients of channels that name a rotation.

It is asked for when a message is planned and again when it is sent, so a message that waited over a handover goes to
the person who is on call by then.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from notifier.config.conf import get_policy
from notifier.facts import Recipient
from notifier.judge.oncall.rota import person_at
from notifier.judge.policy import ChannelConfig, Policy
from notifier.oncall.overrides import in_force


def policy_now(now: datetime) -> Policy:
    """The site's policy, with who is on call at `now`. Raises as get_policy does."""
    return present(get_policy(), now)


def present(policy: Policy, now: datetime) -> Policy:
    """A policy with who is on call at `now`. Where a channel then has no recipient, it has its failover's."""
    names = {name for channel in policy.channels.values() for name in channel.rotations}
    if not names:
        return policy
    on_call = {name: person_at(policy.rotations[name], in_force(name, now), now) for name in sorted(names)}
    channels = {
        alias: _with(channel, on_call, policy) if channel.rotations else channel
        for alias, channel in policy.channels.items()
    }
    for alias, channel in channels.items():
        if channel.rotations and not channel.targets and channel.failover:
            channels[alias] = replace(channel, targets=channels[channel.failover].targets)
    return replace(policy, channels=channels)


def _with(channel: ChannelConfig, on_call: dict[str, str | None], policy: Policy) -> ChannelConfig:
    """The channel's own recipients, then those on call whose addresses are not among them."""
    named = {target.address for target in channel.targets}
    here = {person: person_on(channel, person) for name in channel.rotations if (person := on_call[name])}
    found = dict.fromkeys(target for target in here.values() if target is not None and target.address not in named)
    unreached = tuple(
        policy.people[person].name if person in policy.people else person
        for person, target in here.items()
        if target is None
    )
    return replace(channel, targets=(*channel.targets, *found), unreached=unreached)


def reach(person: str, rotation: str, policy: Policy) -> Recipient | None:
    """Where to send somebody a note about a rotation: on a channel that names it, else on any that reaches them."""
    channels = sorted(policy.channels.values(), key=lambda channel: rotation not in channel.rotations)
    found = (person_on(channel, person) for channel in channels)
    return next((target for target in found if target is not None), None)


def person_on(channel: ChannelConfig, person: str | None) -> Recipient | None:
    """Where a channel reaches somebody, if it does."""
    return next((target for target in channel.people.values() if person and target.person == person), None)
