"""The holes of the next 14 days as they are, with who has taken over and whose address is set aside."""

from __future__ import annotations

from datetime import datetime

from notifier.config.coverage import AHEAD
from notifier.judge.oncall import coverage
from notifier.judge.oncall.coverage import Hole
from notifier.judge.policy import Policy
from notifier.models import Target
from notifier.oncall.overrides import in_force


def holes(policy: Policy, now: datetime) -> dict[str, list[Hole]]:
    """Of each rotation that a channel names, those that are still ahead, the next one first."""
    names = [name for name in policy.rotations if coverage.channels_of(policy, name)]
    if not names:
        return {}
    dead = set(Target.objects.filter(dead_since__isnull=False).values_list("key", flat=True))
    return {name: coverage.holes(policy, name, in_force(name, now), now, now + AHEAD, dead) for name in names}
