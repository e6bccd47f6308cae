"""When a rotation can wake nobody: gaps, and shifts of people whom its channels do not reach. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from notifier.judge.calendar import zone
from notifier.judge.oncall.rota import Shift, shifts
from notifier.judge.oncall.rotation import Override
from notifier.judge.policy import ChannelConfig, Policy

CALLS = "voice"  # the kind of channel


@dataclass(frozen=True, slots=True)
class Hole:
    """A time for which the rotation has nobody, or somebody whom these channels do not reach."""

    start: datetime
    end: datetime
    person: str | None = None
    channels: tuple[str, ...] = ()  # the channels that do not reach the person


def channels_of(policy: Policy, rotation: str) -> list[ChannelConfig]:
    """The channels that reach people through the rotation."""
    return [channel for channel in policy.channels.values() if rotation in channel.rotations]


def holes(
    policy: Policy,
    rotation: str,
    overrides: Iterable[Override],
    start: datetime,
    end: datetime,
    dead: Collection[str] = (),
) -> list[Hole]:
    """The holes between two times, in order. `dead`: keys of targets that are set aside, since nothing reaches them."""
    channels = channels_of(policy, rotation)
    found: list[Hole] = []
    for shift in shifts(policy.rotations[rotation], overrides, start, end):
        hole = _hole(shift, channels, dead)
        last = found[-1] if found else None
        if hole and last and (last.end, last.person, last.channels) == (hole.start, hole.person, hole.channels):
            found[-1] = replace(last, end=hole.end)
        elif hole:
            found.append(hole)
    return found


def _hole(shift: Shift, channels: Collection[ChannelConfig], dead: Collection[str]) -> Hole | None:
    if shift.person is None:
        return Hole(shift.start, shift.end)
    asked = wanted(channels, shift.person, dead)
    missing = tuple(channel.alias for channel in asked if not _reaches(channel, shift.person, dead))
    return Hole(shift.start, shift.end, shift.person, missing) if missing else None


def wanted(channels: Collection[ChannelConfig], person: str, dead: Collection[str] = ()) -> list[ChannelConfig]:
    """The channels that are to reach somebody. To be called is their choice, where another channel rings for them."""
    rings = any(one.kind != CALLS and one.wakes and _reaches(one, person, dead) for one in channels)
    return [one for one in channels if one.kind != CALLS or not rings or _reaches(one, person)]


def _reaches(channel: ChannelConfig, person: str, dead: Collection[str] = ()) -> bool:
    return any(target.person == person and target.key not in dead for target in channel.people.values())


def instead(policy: Policy, rotation: str, alias: str) -> str:
    """The channel that people hear instead of this one while the rotation reaches nobody on it; "" when none does.

    It is the same channel when others are told there too, else its failover.
    """
    channel = policy.channels[alias]
    if channel.targets or any(one != rotation for one in channel.rotations):
        return alias
    return channel.failover


def wakes_nobody(policy: Policy, rotation: str, unreached: Collection[str], critical: Iterable[str]) -> bool:
    """Whether a critical alert, which goes to the channels `critical`, would ring nowhere meanwhile.

    `unreached`: channels that reach nobody.
    """
    asked = list(critical)
    if not set(asked) & set(unreached):
        return False
    heard = (instead(policy, rotation, alias) if alias in unreached else alias for alias in asked)
    return not any(_rings(policy.channels[alias]) for alias in heard if alias)


def _rings(channel: ChannelConfig) -> bool:
    return channel.wakes and bool(channel.targets or channel.rotations)


def is_unheard(policy: Policy, rotation: str, hole: Hole, critical: Iterable[str]) -> bool:
    """Whether in this hole something reaches nobody, or a critical alert would wake no one."""
    unreached = _unreached(policy, rotation, hole)
    silent = any(not instead(policy, rotation, alias) for alias in unreached)
    return silent or wakes_nobody(policy, rotation, unreached, critical)


def cost(policy: Policy, rotation: str, hole: Hole, critical: Iterable[str]) -> str:
    """What a hole costs, in words: "a critical alert wakes no one" """
    unreached = _unreached(policy, rotation, hole)
    if wakes_nobody(policy, rotation, unreached, critical):
        return "a critical alert wakes no one"
    silent = [alias for alias in unreached if not instead(policy, rotation, alias)]
    if silent:
        return f"nobody hears what goes to {' and '.join(silent)}"
    others = dict.fromkeys(instead(policy, rotation, alias) for alias in unreached)
    return f"only {' and '.join(others)} {'hears' if len(others) == 1 else 'hear'} of alerts"


def _unreached(policy: Policy, rotation: str, hole: Hole) -> tuple[str, ...]:
    return hole.channels or tuple(channel.alias for channel in channels_of(policy, rotation))


def when(hole: Hole, tz: str) -> str:
    """ "Sat 28 Nov 20:00 to Sun 29 Nov 10:00 CET" """
    start, end = hole.start.astimezone(zone(tz)), hole.end.astimezone(zone(tz))
    return f"{start:%a} {start.day} {start:%b %H:%M} to {end:%a} {end.day} {end:%b %H:%M %Z}"
