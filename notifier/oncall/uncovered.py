"""The holes of the next 14 days, with overrides, and with targets that are set aside."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from notifier.config.coverage import AHEAD
from notifier.config.problems import UNCOVERED, Problem
from notifier.config.unheard import hear_critical
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


def problems(policy: Policy, now: datetime) -> Iterator[Problem]:
    """One for each person and rotation: their address is set aside, since nothing reaches it, and they have a shift."""
    for name, found in holes(policy, now).items():
        firsts = {hole.person: hole for hole in reversed(found) if hole.person and _has_addresses(hole, policy)}
        for person, hole in firsts.items():
            costs = coverage.cost(policy, name, hole, hear_critical(policy))
            when = coverage.when(hole, policy.rotations[name].tz)
            text = f"their address on {' and '.join(hole.channels)} is set aside, and they are on call {when}: {costs}"
            hint = f"Mend it, then: manage.py send_test {hole.channels[0]}. Or let somebody take it over."
            yield Problem(f'NOTIFIER["PEOPLE"]["{person}"]', text, hint, level="warning", id=UNCOVERED)


def _has_addresses(hole: Hole, policy: Policy) -> bool:
    """Whether the person has addresses on the channels; if not, another check says so without the database."""
    people = (policy.channels[alias].people.values() for alias in hole.channels)
    return all(any(target.person == hole.person for target in some) for some in people)
