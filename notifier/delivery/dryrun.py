"""What would happen with a failure: the production code, run in a transaction that is rolled back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.db import transaction

from alerts_runtime.database.fast_sql import keys_of_our_own
from notifier.channels import load
from notifier.delivery import judging
from notifier.facts import Due, Failure, Message, Reason, Recipient, Severity, Verdict, WaitsFor
from notifier.flow import escalations, pipeline, steps
from notifier.flow.steps import Coming
from notifier.judge import guards
from notifier.judge.classify import classify
from notifier.judge.policy import ChannelConfig, Policy
from notifier.judge.route import Tried, route
from notifier.messages import compose
from notifier.models import Alert, Notification
from notifier.models import Target as TargetRow
from notifier.outbox import batches, plans, stand_ins, starting


@dataclass(frozen=True, slots=True)
class Heard:
    """What one target would hear, and when."""

    target: Recipient
    route: str
    reason: Reason | None  # None: nothing, since it has been told
    due_at: datetime | None
    asked: tuple[tuple[str, str], ...]  # each guard and its answer
    goes_at: datetime | None  # None: it does not go to this target
    message: Message | None
    why_not: str = ""  # why nobody here hears of it when it is due: held until, diverted to, printed
    diverted_to: str | None = None  # the channel that hears of it instead; "": the last resort


@dataclass(frozen=True, slots=True)
class Explanation:
    verdict: Verdict | None  # None: ignored by a CLASSIFY rule
    tried: tuple[Tried, ...] = ()
    alert: int | None = None  # an open alert that it would be counted on
    count: int = 0
    heard: tuple[Heard, ...] = ()
    steps: tuple[Coming, ...] = ()  # of its escalation, while nobody acknowledges it


def explain(failure: Failure, policy: Policy, now: datetime) -> Explanation:
    """Verdict, routes, targets, guards, times and messages of a failure, as if it happened at `now`."""
    verdict = classify(failure, policy.rules)
    if verdict is None:
        return Explanation(None)
    known = Alert.objects.filter(fingerprint=verdict.fingerprint, resolved_at__isnull=True).first()
    with transaction.atomic(), keys_of_our_own():
        explanation = _as_if(failure, verdict, policy, now)
        transaction.set_rollback(True)  # the last thing here: Django refuses queries after it
    return replace(explanation, alert=known.pk if known else None)


def _as_if(failure: Failure, verdict: Verdict, policy: Policy, now: datetime) -> Explanation:
    recorded = pipeline.raised(failure, verdict, policy, now)
    if recorded is None:
        return Explanation(verdict)
    alert = Alert.objects.get(pk=recorded.alert_id)
    escalations.changed(alert, policy, now)  # as tick does within a second
    routing = route(failure, verdict, recorded.severity, policy)
    heard = [_heard(alert, one.target, one.route.name, policy, now) for one in routing.targets]
    for one in heard:  # grows during the loop: a stand-in may have a stand-in too
        heard += _stand_ins(alert, one, heard, policy, now)
    left = tuple(steps.coming(alert, policy, now))
    return Explanation(verdict, routing.tried, count=alert.count, heard=tuple(heard), steps=left)


def _stand_ins(alert: Alert, of: Heard, heard: Sequence[Heard], policy: Policy, now: datetime) -> list[Heard]:
    """Who hears of it in place of a target that does not, as the production code diverts it."""
    if of.diverted_to is None:
        return []
    channel = policy.channels.get(of.diverted_to)
    known = {one.target.key for one in heard}
    row = Notification.objects.select_related("alert", "target").get(alert=alert, target__key=of.target.key)
    stand_ins.divert(row, of.why_not, channel.targets if channel else (), policy, now)
    return [
        _heard(alert, target, of.route, policy, now)
        for target in (channel.targets if channel else ())
        if target.key not in known
    ]


def _heard(alert: Alert, target: Recipient, route: str, policy: Policy, now: datetime) -> Heard:
    row = Notification.objects.select_related("alert", "target").get(alert=alert, target__key=target.key)
    due = plans.next_for(row, alert.state, policy, now)
    if due is None:
        return Heard(target, route, None, None, (), None, None)
    channel = policy.channels[target.channel]
    # Judged at the moment when it is due, as a worker does.
    look = judging.look_at(row.target, channel, policy, due.at)
    case = judging.case_of(row, alert.state, due.reason, look)
    asked = tuple((guard.__name__, _answer(guard(case))) for guard in guards.TABLE[due.reason])
    ruling = guards.judge(case)
    goes_at = _goes_at(ruling, row, due, channel)
    part = starting.Part(row, due.reason, alert.count, Severity(alert.severity))
    # An alert that is opened here is rolled back, so there is no page to link to.
    site_url = "" if alert.count == 1 else None
    (message,) = compose.alert_messages([([part], None)], policy, goes_at or due.at, site_url=site_url)
    return Heard(
        target,
        route,
        due.reason,
        due.at,
        (*asked, ("throttle", _throttled(due.at, goes_at, ruling))),
        goes_at,
        message,
        _why_not_now(ruling, row.target, channel, due.at, goes_at),
        ruling.to if ruling.action is guards.Action.DIVERT else None,
    )


def _why_not_now(
    ruling: guards.Ruling, target: TargetRow, channel: ChannelConfig, due_at: datetime, goes_at: datetime | None
) -> str:
    if ruling.action is guards.Action.DIVERT:
        return f"{ruling.name}; goes to {ruling.to or 'the last resort: the log, and ADMINS by mail'}"
    if ruling.action is guards.Action.HOLD:
        return f"held by {ruling.name} until {ruling.until:%Y-%m-%d %H:%M %Z}"
    if channel.prints:
        return f"printed here: {', '.join(channel.missing) or 'its recipients'} not set"
    if why := load(channel.backend).sends_nothing(channel.options):
        return f"sends nothing: {why}"
    if goes_at is not None and goes_at > due_at:
        by = target.wait_at(due_at) if target.is_failing else WaitsFor.RATE.words("")
        return f"waits for {by} until {goes_at:%Y-%m-%d %H:%M:%S %Z}"
    return ""


def _goes_at(ruling: guards.Ruling, row: Notification, due: Due, channel: ChannelConfig) -> datetime | None:
    if ruling.action is guards.Action.HOLD:
        return ruling.until
    if ruling.action is not guards.Action.SEND:
        return None
    at = max(due.at, row.target.next_at or due.at)  # later if its provider asked to wait, or its rate is used up
    if not channel.limits.windows:
        return at
    provider = load(channel.backend)
    history = batches.History.of(row.target_id, channel.limits, provider, at)
    while full := batches.next_batch([(row, due.reason)], provider, channel.limits, history, at)[1]:
        at = full.at
    return at


def _answer(ruling: guards.Ruling | None) -> str:
    if ruling is None:
        return "clear"
    when = f" until {ruling.until:%Y-%m-%d %H:%M %Z}" if ruling.until else ""
    to = f" to {ruling.to or 'the last resort'}" if ruling.action is guards.Action.DIVERT else ""
    return f"{ruling.action}{to}{when} ({ruling.name})"


def _throttled(due_at: datetime, goes_at: datetime | None, ruling: guards.Ruling) -> str:
    waits = ruling.action is guards.Action.SEND and goes_at is not None and goes_at > due_at
    return f"hold until {goes_at:%Y-%m-%d %H:%M:%S %Z}" if waits else "clear"
