"""Raises an alert when a rotation has nobody to page at some time within 14 days, until it has somebody."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

from alerts_runtime.isolation.parts import on_its_own
from notifier import api
from notifier.config.conf import get_policy
from notifier.config.unheard import hear_critical
from notifier.judge.oncall.coverage import Hole, cost, is_unheard
from notifier.judge.policy import Policy
from notifier.messages.oncall import hole
from notifier.models import Alert
from notifier.oncall import uncovered

SOURCE = "oncall."
SOON = timedelta(days=1)
NOT_BY_ITSELF = timedelta(days=366)


def tell_of_holes(now: datetime) -> None:
    """Begin or end the alert of each rotation. Gaps that a failover covers are only told by `manage.py check`."""
    policy = get_policy()
    critical = hear_critical(policy)
    found = {
        name: [one for one in ahead if is_unheard(policy, name, one, critical)]
        for name, ahead in uncovered.holes(policy, now).items()
    }
    open_alerts = Alert.objects.filter(source__startswith=SOURCE, resolved_at__isnull=True)
    for source in open_alerts.values_list("source", flat=True):
        if not found.get(source.removeprefix(SOURCE)):
            on_its_own("end alert", partial(api.resolve, source, "somebody can be reached", now), key=source)
    for name, ahead in found.items():
        if ahead:
            on_its_own("tell of a hole", partial(_tell, name, ahead, policy, now), key=name)


def _tell(name: str, ahead: Sequence[Hole], policy: Policy, now: datetime) -> None:
    first, soon = ahead[0], ahead[0].start - now < SOON
    costs = cost(policy, name, first, hear_critical(policy))
    more = f" Such times within 14 days: {len(ahead)}." if len(ahead) > 1 else ""
    api.alert(
        hole(first, policy.rotations[name], policy),
        key=f"{SOURCE}{name}",
        severity="error" if soon else "warning",
        category="configuration",
        hint=f"Then {costs}. Let somebody take it over (`manage.py override {name} NAME --from ... --to ...`), "
        f"or change the rotation.{more}",
        resolve_after=NOT_BY_ITSELF,
        once=f"{first.end} {first.person} {soon}",  # it comes nearer, and is the same one
        now=now,
    )
