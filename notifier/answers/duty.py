"""Says who is on call."""

from __future__ import annotations

from datetime import datetime

from notifier.judge.policy import Policy
from notifier.messages.oncall import name_of
from notifier.messages.wording import clock
from notifier.oncall.duty import duty_at


def on_call(policy: Policy, now: datetime) -> str:
    """ "payments: Alice until Mon 30 Nov 09:00 CET. billing: nobody." """
    lines = []
    for name, rotation in policy.rotations.items():
        duty = duty_at(rotation, now)
        until = f" until {clock(duty.until, now, rotation.tz)}" if duty.until else ""
        lines.append(f"{name}: {name_of(duty.person, policy.people)}{until}.")
    return " ".join(lines) or "No rotation is set up here."
