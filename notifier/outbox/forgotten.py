"""Finds notifications with something to tell and no due time, which only a bug can leave behind, and plans them."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

from django.db import transaction
from django.db.models import F, Q

from alerts_runtime.isolation.parts import on_its_own
from notifier.facts import HeldBy
from notifier.judge.policy import HANDOVER_TEST, Policy
from notifier.models import Notification
from notifier.outbox import plans
from notifier.outbox.holding import trouble

LOOK_BACK = timedelta(days=1)  # so far back for alerts whose end nobody was told of


def plan(policy: Policy, now: datetime, limit: int = 100) -> int:
    """Plan the notifications that have something to tell and no due time; how many were found."""
    idle = Notification.objects.filter(due_at__isnull=True, sending__isnull=True).exclude(route="")
    news = idle.filter(alert__resolved_at__isnull=True, told_seq__lt=F("alert__count"))
    silent = [HANDOVER_TEST, *(route.name for route in policy.routes if not route.timing.resolved)]
    # Of a diverted alert, the stand-in is told of the end.
    ends = idle.filter(alert__resolved_at__gte=now - LOOK_BACK, told_seq__gt=0, told_resolved=False)
    ends = ends.exclude(Q(route__in=silent) | Q(last_error__startswith=HeldBy.DIVERTED))
    pks = [pk for lost in (news, ends) for pk in lost.values_list("pk", flat=True)[:limit]]
    return sum(bool(on_its_own("plan notification", partial(_plan_forgotten, pk, policy, now), key=pk)) for pk in pks)


def _plan_forgotten(pk: int, policy: Policy, now: datetime) -> bool:
    try:
        with transaction.atomic():
            row = plans.locked(pk)
            if row is None or row.due_at is not None:
                return False
            plans.replan(row, row.alert.state, policy, now)
            return row.due_at is not None
    except Exception as error:  # noqa: BLE001 - whatever it is, it is this row's trouble and no other's
        trouble(pk, error, now)
        return True
