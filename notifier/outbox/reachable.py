"""Whether a level of escalation reaches anybody, as far as can be known before sending. Writes nothing."""

from __future__ import annotations

from notifier.facts import Recipient
from notifier.judge.escalation import Level
from notifier.judge.policy import ChannelConfig, Policy
from notifier.models import Target


def people(level: Level, policy: Policy) -> list[Recipient]:
    """The recipients of a level, each once."""
    channels = [policy.channels[alias] for alias in level.to if alias in policy.channels]
    return list({target.key: target for channel in channels for target in channel.targets}.values())


def nobody(level: Level, policy: Policy) -> str:
    """Why a level reaches nobody; empty when it reaches somebody. The last resort always does."""
    if level.last_resort:
        return ""
    whys = {alias: _why_not(alias, policy) for alias in level.to}
    if not all(whys.values()):
        return ""
    return "; ".join(f"{alias}: {why}" for alias, why in whys.items()) or "it names no channel"


def _why_not(alias: str, policy: Policy) -> str:
    channel = policy.channels.get(alias)
    if channel is None:
        return "there is no such channel any more"
    if channel.unreached and not channel.targets:
        return f"{', '.join(channel.unreached)} on call, without an address here"
    if not channel.targets:
        return f"nobody is on call in {', '.join(channel.rotations)}" if channel.rotations else "it has no recipients"
    if channel.failover and not _why_not_itself(policy.channels[channel.failover]):
        return ""
    return _why_not_itself(channel)


def _why_not_itself(channel: ChannelConfig) -> str:
    if channel.unconfigured or not channel.targets:
        return channel.unconfigured or "it has no recipients"
    keys = [target.key for target in channel.targets]
    dead = dict(Target.objects.filter(key__in=keys, dead_since__isnull=False).values_list("key", "dead_detail"))
    return f"set aside: {dead[keys[0]]}" if set(dead) == set(keys) else ""
