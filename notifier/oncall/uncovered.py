"""The holes of the next 14 days, with overrides, and with targets that are set aside."""

from __future__ import annotations

from datetime import datetime

from notifier.config.coverage import AHEAD
from notifier.judge.oncall import coverage
from notifier.judge.oncall.coverage import Hole
from notifier.judge.policy import Policy
from notifier.models import Target
from notifier.oncall.overrides import in_force


def holes(policy: Policy, now: datetime) -> dict[str, list[Hole]]:
    """The holes that are ahead, the next one first, of each rotation that a channel names."""
    names = [name for name in policy.rotations if coverage.channels_of(policy, name)]
    if not names:
        return {}
    dead = set(Target.objects.filter(dead_since__isnull=False).values_list("key", flat=True))
    return {name: coverage.holes(policy, name, in_force(name, now), now, now + AHEAD, dead) for name in names}
