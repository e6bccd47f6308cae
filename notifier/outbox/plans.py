"""What is to be told: the planning half of the only writer of Notification, Attempt and Digest.

`due_at` is the only scheduler. Whatever changes what a target should hear next sets it, and nothing else does.
The sending half is attempts.py.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import cache, partial

from django.db import connection, transaction
from django.db.models import F, Q
from django.db.models.functions import Least

from alerts_runtime.database.fast_sql import columns, create, select, update
from alerts_runtime.isolation.parts import on_its_own
from alerts_runtime.leasing.clock import brought_forward
from alerts_runtime.redaction import masking
from alerts_runtime.redaction.loggers import get_logger
from alerts_runtime.redaction.redact import redact
from notifier.facts import AlertState, Due, Note, Reason, Severity, Told
from notifier.facts import Target as To
from notifier.judge import timing
from notifier.judge.guards import UNREACHED, Gate
from notifier.judge.policy import HANDOVER_TEST, Policy
from notifier.judge.route import Routed
from notifier.models import Alert, Digest, Notification, Target
from notifier.outbox import last_resort, targets

log = get_logger(__name__)

UNSUBSCRIBED = "unsubscribed"
DIVERTED = "diverted"  # how `held_by` begins while others stand in for a target
# Between two looks whether a target can be told itself again; grows with the time that it could not.
LOOK_AGAIN = timedelta(minutes=30)
FIRST_PAUSE = timedelta(seconds=10)  # after a row raised; doubles
LONGEST_HOLD = timedelta(days=1)  # whatever holds it is asked once more by then: settings and clocks change
LOOK_BACK = timedelta(days=1)  # for ends that were never planned

# Reasons that tell something new, in the order in which they go when not all may go at once.
_URGENT = {Reason.RAISED, Reason.FIRST, Reason.REOPENED, Reason.ESCALATED}


def plan(
    alert: Alert,
    routed: Iterable[Routed],
    policy: Policy,
    now: datetime,
    *,
    new: bool = False,
    reopened: bool = False,
) -> bool:
    """Set when each target hears of an alert next; True when something is due now. The caller holds the alert's lock.

    A row that is being sent, retried or held is left alone: whoever ends that judges it again. Only worse news
    breaks in. When every row has its plan for news the alert says so (`planned_for`), and the storm's further
    failures ask nobody; whoever leaves a row without one takes that back (`unplanned`).
    """
    routed = tuple(routed)
    known = [] if new else Notification.objects.filter(alert=alert).select_related("target")
    rows = {row.target.key: row for row in known}
    anything_due = _begin([one for one in routed if one.target.key not in rows], alert, now)
    for one in routed:
        row = rows.get(one.target.key)
        if row and row.route != one.route.name and (not row.route or (row.told_severity or 0) < alert.severity):
            # It got worse: the target hears of it as the route says that the worse takes, also when it is over.
            _update(row, route=one.route.name)
    if reopened:
        for row in rows.values():  # its steps begin anew
            _update(row, level=0, told_level=0)
        chosen = {one.target.key for one in routed}
        _leave_out([row for key, row in rows.items() if key not in chosen])
    for row in rows.values():
        anything_due |= replan(row, alert, policy, now)
    planned = all(map(has_plan_for_news, rows.values()))
    planned_for = plan_key(routed, Severity(alert.severity)) if planned else ""
    if not new or alert.planned_for != planned_for:  # what is new was stored with it
        alert.planned_for = planned_for
        update([alert], "planned_for")
    return anything_due


def _begin(routed: Iterable[Routed], alert: Alert, now: datetime) -> bool:
    """Plan what these targets hear first; True when something is due now."""
    found = []
    for one in routed:
        due = timing.next_due(Told(), alert.state, one.route.timing, now)
        if due is not None:
            row = Notification(alert=alert, route=one.route.name, reason=Reason.FIRST)
            _set_due(row, due, alert)
            found.append((row, due, one.target))
    rows = targets.rows_of([target for _, _, target in found])
    for row, _, target in found:
        row.target = rows[target.key]
    create(*(row for row, _, _ in found))
    return any(due.at <= now for _, due, _ in found)


def page(alert: Alert, to: To, route: str, level: int, policy: Policy, now: datetime) -> None:
    """A level of the route's escalation names this target: it hears of the alert now, told of it before or not.

    The caller holds the alert's lock.
    """
    row, created = Notification.objects.get_or_create(
        alert=alert,
        target=targets.row_of(to),
        defaults={"route": route, "reason": Reason.ESCALATED, "level": level},
    )
    # Also while something is being sent to it: whoever sends that tells this next. What it was told of another route's
    # steps, or before the alert opened again, says nothing of this one.
    row.level, row.told_level = level, min(row.told_level, level - 1)
    Notification.objects.filter(pk=row.pk).update(level=level, told_level=Least(F("told_level"), level - 1))
    if not created and not row.route:
        _update(row, route=route)
    replan(row, alert, policy, now)


def needs_no_page(row: Notification, policy: Policy, now: datetime) -> None:
    """Others are paged for the level in its place. It is judged again for what else it is to hear."""
    _update(row, level=row.told_level)
    postpone(row, next_for(row, row.alert.state, policy, now), row.alert)


def join(alert: Alert, to: To, route: str, policy: Policy, now: datetime) -> None:
    """Somebody comes to an alert that is under way: they hear how it goes on, as if told of all that has been so far.

    The caller holds the alert's lock.
    """
    told = {
        "told_seq": alert.count,
        "told_severity": alert.severity,
        "told_at": now,
        "told_answer": alert.last_answer,
    }
    row, created = Notification.objects.get_or_create(
        alert=alert, target=targets.row_of(to), defaults={"route": route, "reason": Reason.UPDATE, **told}
    )
    if not created:
        if row.route or row.sending_id is not None:
            return
        _update(row, route=route, held_by="", **told)
    replan(row, alert, policy, now)
    unplanned([alert.pk])


def note(kind: Note, rotation: str, to: To, moment: datetime, now: datetime, about: int = 0) -> bool:
    """A note of a rotation for a person, due now; False when there is one of that kind and moment."""
    _, created = Digest.objects.get_or_create(
        name=f"{kind} of {rotation}",
        target=targets.row_of(to),
        ends_at=moment,
        defaults={"kind": kind, "about": about, "starts_at": moment, "due_at": now},
    )
    return created


def has_plan_for_news(row: Notification) -> bool:
    """Whether the next failure needs no plan: a reminder is none, for news does not wait that long."""
    if row.sending_id is not None or not row.route:
        return True  # whoever sends it judges it again; what no route takes waits for one that does
    return row.due_at is not None and row.reason != Reason.REPEAT


def _leave_out(rows: Iterable[Notification]) -> None:
    """What has opened again no route takes to them: who has heard the end, or never heard of it, hears nothing.

    They stay out until a route takes it to them again.
    """
    for row in rows:
        untold = row.told_seq == 0 and row.tries == 0
        if row.sending_id is None and (row.told_resolved or untold):
            _update(row, route="", due_at=None)


def plan_key(routed: Iterable[Routed], severity: Severity) -> str:
    """What `planned_for` says when these targets have their plan for an alert as bad as this."""
    # The route too where it has steps: they are a plan of their own.
    keys = "\n".join(sorted(one.target.key + (f" {one.route.name}" * bool(one.route.escalate)) for one in routed))
    return f"{int(severity)}:{hashlib.sha256(keys.encode()).hexdigest()[:32]}"


def replan(row: Notification, alert: Alert, policy: Policy, now: datetime) -> bool:
    """Judge one row again after something changed; True when it is due now. The caller holds the alert's lock."""
    if row.sending_id is not None:
        return False
    due = next_for(row, alert.state, policy, now)
    waits = bool(row.held_by) or row.tries > 0
    if due is None:
        if row.due_at is not None and not waits:
            _update(row, due_at=None)
        return False
    # A first message that is held and has become worse is news too: it may pass the guard that holds it.
    news = due.reason != row.reason or urgency(due.reason, Severity(alert.severity), row.sent) < row.urgency
    if row.due_at is not None and not (news or (due.at < row.due_at and not waits)):
        return False
    _set_due(row, due, alert)
    _update(row, due_at=row.due_at, reason=row.reason, urgency=row.urgency)
    return due.at <= now


def replan_all(alert: Alert, policy: Policy, now: datetime) -> bool:
    """Judge every row of an alert again: it was resolved, acknowledged or is no longer inhibited."""
    anything_due = False
    for row in Notification.objects.filter(alert=alert):
        anything_due |= replan(row, alert, policy, now)
    return anything_due


def knows(alert: Alert, address: str) -> None:
    """Who answered from there has been told of it in return."""
    if address:
        there = Notification.objects.filter(alert=alert, target__address=address, sending__isnull=True)
        there.update(told_answer=alert.last_answer)


def next_for(row: Notification, alert: AlertState, policy: Policy, now: datetime) -> Due | None:
    """What the row's target is to hear next; nothing when the alert opened again and no route takes it there."""
    return timing.next_due(row.told, alert, policy.timing(row.route), now) if row.route else None


def release_held(held_by: str, now: datetime, alert: Alert | None = None) -> int:
    """What a guard held is judged again at once, since the guard has ended early."""
    held = Notification.objects.filter(held_by=held_by, due_at__isnull=False)
    return (held.filter(alert=alert) if alert else held).update(due_at=now)


def bring_forward(by: timedelta, now: datetime) -> None:
    """The clock was stepped back by so much: what is planned is judged as much earlier."""
    for model in (Notification, Digest):
        planned = model._default_manager.filter(due_at__gt=now, sending__isnull=True)
        planned.update(due_at=brought_forward("due_at", by, now))
    targets.bring_forward(by, now)


def revive(target: Target, now: datetime) -> None:
    """A test message went through: the target hears of alerts again, at once of what could not be told meanwhile."""
    revived = targets.mended([target.pk])
    waiting = Notification.objects.filter(target__in=revived, due_at__isnull=False, sending__isnull=True)
    waiting.filter(Q(held_by__startswith=DIVERTED) | Q(tries__gt=0)).update(due_at=now)


def begin_anew(target: Target) -> None:
    """It is reached elsewhere now: what was sent to the old address, for sure or perhaps, has not come to this one."""
    of_it = Notification.objects.filter(target=target, sending__isnull=True)
    of_it.exclude(thread="").update(thread="", listed=False)
    of_it.filter(tries__gt=0).update(tries=0, trying_since=None)
    Digest.objects.filter(target=target, sending__isnull=True, tries__gt=0, due_at__isnull=False).update(tries=0)


def forgotten(policy: Policy, now: datetime, limit: int = 100) -> int:
    """Plan what has news and no plan; how many. There is none unless something was lost; nothing may stay lost."""
    idle = Notification.objects.filter(due_at__isnull=True, sending__isnull=True).exclude(route="")
    news = idle.filter(alert__resolved_at__isnull=True, told_seq__lt=F("alert__count"))
    silent = [HANDOVER_TEST, *(route.name for route in policy.routes if not route.timing.resolved)]
    # What was told elsewhere has ended there as well.
    ends = idle.filter(alert__resolved_at__gte=now - LOOK_BACK, told_seq__gt=0, told_resolved=False)
    ends = ends.exclude(Q(route__in=silent) | Q(last_error__startswith=DIVERTED))
    pks = [pk for lost in (news, ends) for pk in lost.values_list("pk", flat=True)[:limit]]
    return sum(bool(on_its_own("plan notification", partial(_plan_forgotten, pk, policy, now), key=pk)) for pk in pks)


def _plan_forgotten(pk: int, policy: Policy, now: datetime) -> bool:
    try:
        with transaction.atomic():
            row = locked(pk)
            if row is None or row.due_at is not None:
                return False
            replan(row, row.alert, policy, now)
            return row.due_at is not None
    except Exception as error:  # noqa: BLE001 - whatever it is, it is this row's trouble and no other's
        trouble(pk, error, now)
        return True


def locked(pk: int) -> Notification | None:
    """A row that nobody is sending, with its alert, as both are now; nobody changes them before the transaction ends.

    The alert is locked first, as by whoever counts a failure on it.
    """
    rows = select([Notification, Alert], _locked(connection.vendor), {"id": pk})
    for row, alert in rows:
        row.alert = alert
        return row  # type: ignore[no-any-return]  # an instance of the first model
    return None


@cache
def _locked(vendor: str) -> str:
    lock = "FOR UPDATE OF swa_notifier_alert, swa_notifier_notification" if vendor == "postgresql" else ""
    return f"""
        SELECT {columns(Notification)}, {columns(Alert)}
        FROM swa_notifier_notification JOIN swa_notifier_alert ON swa_notifier_alert.id = alert_id
        WHERE swa_notifier_notification.id = %(id)s AND sending_id IS NULL {lock}
    """  # noqa: S608 - the models' own names


def hold(row: Notification, gate: Gate, now: datetime, reason: Reason | None = None) -> None:
    """Judge it again at `gate.until`, or within a day. Why it is held is stored and shown."""
    since = row.held_since if row.held_by == gate.name else now
    until = min(gate.until or now + LOOK_AGAIN, now + LONGEST_HOLD)
    # While it is held nobody tries: others are not to stand in at once when that ends.
    _update(
        row,
        due_at=until,
        reason=reason.value if reason else row.reason,
        held_by=gate.name[:100],
        held_since=since,
        trying_since=None,
    )
    log.info("notification.held", notification=row.pk, alert=row.alert_id, by=gate.name, until=str(until))


def drop(row: Notification, why: str) -> None:
    """Nothing left to tell. `held_by` stays: the digest lists what was resolved while held."""
    _update(row, due_at=None, held_by=row.held_by or why[:100])
    log.info("notification.dropped", notification=row.pk, alert=row.alert_id, reason=why)


def postpone(row: Notification, due: Due | None, alert: Alert) -> None:
    """It was due, and judged again it is not, or not yet."""
    if due is None:
        _update(row, due_at=None, held_by="", held_since=None, rejected=False, tries=0, trying_since=None)
        return
    _set_due(row, due, alert)
    _update(row, due_at=row.due_at, reason=row.reason, urgency=row.urgency, held_by="", held_since=None)


def divert(row: Notification, why: str, to: Iterable[To], policy: Policy, now: datetime) -> int:
    """Let other targets stand in for this one; how many will hear of it.

    What is still open is judged again later, for the target may be back by then, or have a new day's budget.
    """
    told = _stand_in(row, why, to, policy, now)
    since = row.held_since if row.held_since and row.held_by.startswith(DIVERTED) else now
    if not told and why == UNREACHED:
        # Nobody stands in: the last resort has heard, and the target is tried as often as before.
        _update(row, held_by=f"{DIVERTED}: {why}", held_since=since)
        return 0
    over = row.alert.resolved_at is not None
    _update(
        row,
        due_at=None if over else now + min(max(LOOK_AGAIN, now - since), LONGEST_HOLD),
        held_by="" if over else f"{DIVERTED}: {why}"[:100],
        held_since=None if over else since,
        last_error=f"{DIVERTED}: {why}"[:500],
        rejected=False,
        tries=0,
        trying_since=None,
    )
    return told


def leave(row: Notification, why: str, to: Iterable[To], policy: Policy, now: datetime) -> int:
    """Nothing more for a target that is no longer named; how many others hear of the alert in its place."""
    told = _stand_in(row, why, to, policy, now)
    _update(row, route="", due_at=None, held_by=why[:100], held_since=None, rejected=False, tries=0, trying_since=None)
    return told


def _stand_in(row: Notification, why: str, to: Iterable[To], policy: Policy, now: datetime) -> int:
    alert = row.alert
    told = 0
    for target in to:
        if target.key == row.target.key:
            continue
        stand_in, created = Notification.objects.get_or_create(
            alert=alert,
            target=targets.row_of(target),
            defaults={
                "route": row.route,
                "reason": Reason.FIRST,
                "instead_of": f"{masking.named(row.target.channel, row.target.address)}: {why}"[:300],
            },
        )
        if not created and stand_in.last_error and stand_in.sending_id is None:
            continue  # it could not be told either: two channels that stand in for each other must not go in circles
        told += 1
        if not stand_in.route:
            _update(stand_in, route=row.route)
        if row.level > max(row.told_level, stand_in.level):  # it is this one that is to answer now
            Notification.objects.filter(pk=stand_in.pk).update(level=row.level)
            stand_in.level = row.level
        if alert.resolved_at is not None:
            _take_over(stand_in, row)
        replan(stand_in, alert, policy, now)
        log.warning("notification.diverted", alert=alert.pk, channel=target.channel, reason=why, new=created)
    return told


def _take_over(stand_in: Notification, row: Notification) -> None:
    """It is over: who was never told of it counts as told what the other was, and so hears the end."""
    told = {
        "told_seq": row.told_seq,
        "told_severity": row.told_severity,
        "told_at": row.told_at,
        "told_resolved": row.told_resolved,
        "told_answer": row.told_answer,
    }
    # Also while its first message is under way: whoever sends that locks the alert to write what became of it.
    if row.told_seq and Notification.objects.filter(pk=stand_in.pk, told_seq=0).update(**told):
        for name, value in told.items():
            setattr(stand_in, name, value)


def trouble(pk: int, error: BaseException, now: datetime) -> None:
    """A row that raised: it is marked, told of, and tried again with a growing pause. The others go on.

    Raises only what says that the database is away, which is no row's trouble.
    """
    log.exception("notification.failed", notification=pk, exc_info=error)
    what = f"{type(error).__name__}: {redact(_words(error), limit=300)}"
    with transaction.atomic():
        row = locked(pk)
        if row is None:
            return
        pause = min(FIRST_PAUSE * 2 ** min(row.tries, 20), LOOK_AGAIN)
        _update(
            row,
            due_at=now + pause,
            tries=row.tries + 1,
            trying_since=row.trying_since or now,
            last_error=f"internal error: {what}"[:500],
        )
    if row.tries == 1 or pause == LOOK_AGAIN:
        last_resort.cry(row.alert, f"internal error: {what}")


def _words(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - an exception whose text raises is somebody's mistake, not ours to pass on
        return "its text cannot be read"


def ensure_digest(name: str, target: To, starts_at: datetime, ends_at: datetime, now: datetime) -> bool:
    """One row for one period and target, whatever runs; True when it is new and due.

    The first row ever is only a mark: a digest of a time before it was set up would say that all was quiet.
    """
    row = targets.row_of(target)
    previous = Digest.objects.filter(name=name, target=row).order_by("-ends_at").first()
    if previous is not None and previous.ends_at >= ends_at:
        return False
    starts = min(starts_at, previous.ends_at) if previous else starts_at
    wanted = previous is not None and row.no_digests_since is None
    _, created = Digest.objects.get_or_create(
        name=name,
        target=row,
        ends_at=ends_at,
        defaults={
            "starts_at": starts,
            "due_at": now if wanted else None,
            "outcome": "" if wanted else UNSUBSCRIBED if previous else "set up",
        },
    )
    return created and wanted


def digest_now(name: str, target: To, starts_at: datetime, now: datetime) -> Digest:
    """A digest of the time since the last one, due at once; not for who has unsubscribed."""
    row = targets.row_of(target)
    previous = Digest.objects.filter(name=name, target=row).order_by("-ends_at").first()
    starts, wanted = previous.ends_at if previous else starts_at, row.no_digests_since is None
    return Digest.objects.create(
        name=name,
        target=row,
        starts_at=starts,
        ends_at=now,
        due_at=now if wanted else None,
        outcome="" if wanted else UNSUBSCRIBED,
    )


def unplanned(alert_ids: Iterable[int]) -> None:
    """Some target of these alerts has nothing planned: their next failures have to plan."""
    if ids := sorted(set(alert_ids)):
        Alert.objects.filter(pk__in=ids).exclude(planned_for="").update(planned_for="")


def urgency(reason: Reason, severity: Severity, sent: int) -> int:
    """Lower goes first: new and worse before over, over before more of the same; then the worst."""
    if reason in _URGENT:
        return int(Severity.CRITICAL) - severity
    if reason in (Reason.RESOLVED, Reason.ANSWERED):
        return 50
    return 100 + min(sent, 100)


def _set_due(row: Notification, due: Due, alert: Alert) -> None:
    row.due_at, row.reason = due.at, due.reason.value
    row.urgency = urgency(due.reason, Severity(alert.severity), row.sent)


def _update(row: Notification, **changes: object) -> None:
    """Change a row that nobody is sending: whoever sends it decides what comes next."""
    Notification.objects.filter(pk=row.pk, sending__isnull=True).update(**changes)
    for name, value in changes.items():
        setattr(row, name, value)
    if not has_plan_for_news(row):
        unplanned([row.alert_id])
