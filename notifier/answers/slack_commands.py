"""What `/alerts` shows and does when it is about no single alert: open, oncall, take, digest, help."""

from __future__ import annotations

from datetime import datetime, timedelta

from alerts_runtime.wakeups.wake import wake
from notifier.answers.duty import on_call
from notifier.answers.slack_words import Kind, Typed
from notifier.config.conf import get_policy
from notifier.config.problems import nearest
from notifier.facts import Severity
from notifier.judge.oncall.people import Person
from notifier.judge.policy import Policy
from notifier.messages.answered import how_it_stands
from notifier.messages.oncall import taken, undone
from notifier.messages.wording import counted, shorten
from notifier.models import Alert, Override
from notifier.oncall import overrides
from notifier.outbox import digests

SHOWN = 20
LINE = 200
TAKEN_FOR = timedelta(hours=8)
HELP = """What /alerts can do:
open: what is open, the worst first
oncall: who is on call
take payments 4h: be on call for a rotation, from now on (8 h when you give no time)
undo 7: what override 7 took over is given back
ack 118 2h, back 118: you have alert 118 for two hours; you do not have it any more
resolve 118, escalate 118, replay 118: it is over; the next person; process its events again
silence 118 4h, unsilence 118: nobody hears of this kind of alert for four hours; they do again
rehearse 118: what a replay would come to; nothing of it stays
test: does this arrive?
digest: the digest of the time since the last one, now
Several numbers may follow: ack 118 119"""


def run(typed: Typed, person: Person, now: datetime) -> str:
    """The private answer to a command. Raises nothing, whatever people type."""
    policy = get_policy()
    if typed.kind is Kind.OPEN:
        return open_alerts(policy, now)
    if typed.kind is Kind.ONCALL:
        return on_call(policy, now)
    if typed.kind is Kind.TAKE:
        return _take(typed, person, policy, now)
    if typed.kind is Kind.UNDO:
        return _undo(typed.number, person, policy, now)
    if typed.kind is Kind.DIGEST:
        return _digest(typed.name, policy, now)
    return f"{typed.wrong}\n{HELP}".strip()


def open_alerts(policy: Policy, now: datetime) -> str:
    """What is open, the worst first, each with who has it."""
    rows = Alert.objects.filter(resolved_at__isnull=True).order_by("-severity", "-livemode", "-last_at")
    found = list(rows.defer("traceback", "message", "context", "frame")[: SHOWN + 1])
    if not found:
        return "Nothing is open."
    lines = [
        f"{Severity(row.severity).label.capitalize()}: {shorten(row.headline, LINE)} ({counted(row.count, 'time')}). "
        f"{how_it_stands(row, now, policy.tz)}"
        for row in found[:SHOWN]
    ]
    return "\n".join([*lines, *([f"… and more: only {SHOWN} are shown."] if len(found) > SHOWN else [])])


def _take(typed: Typed, person: Person, policy: Policy, now: datetime) -> str:
    rotation = policy.rotations.get(typed.name)
    if rotation is None:
        return f"There is no such rotation. {nearest(typed.name, policy.rotations)}".strip()
    end = now + (typed.duration or TAKEN_FOR)
    try:
        row = overrides.take(rotation, person, start=now, end=end, author=person.key, now=now)
    except (ValueError, OverflowError) as error:
        return str(error)
    return f"Override {row.pk}: {taken(row, policy, now)}"


def _undo(number: int, person: Person, policy: Policy, now: datetime) -> str:
    row = Override.objects.filter(pk=number).first()
    if row is None:
        return f"There is no override {number}."
    try:
        return undone(overrides.undo(row, person.key, now), policy, now)
    except ValueError as error:
        return str(error)


def _digest(name: str, policy: Policy, now: datetime) -> str:
    known = {plan.name: plan for plan in policy.digests}
    name = name or (next(iter(known)) if len(known) == 1 else "")
    if name not in known:
        return f"Which digest? There is {', '.join(known) or 'none'}."
    for alias in known[name].to:
        for target in policy.channels[alias].targets:
            digests.digest_now(name, target, now - timedelta(days=1), now)
        wake(f"deliver-{alias}")
    return f"The digest {name} is on its way to {', '.join(known[name].to)}."
