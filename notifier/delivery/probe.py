"""Sends a test message to one target at once, without the outbox, where it would wait behind other messages."""

from __future__ import annotations

from dataclasses import dataclass

from alerts_runtime.leasing import clock
from alerts_runtime.wakeups.wake import wake
from notifier import api
from notifier.channels import load
from notifier.facts import DeliveryError, Recipient
from notifier.judge.policy import ChannelConfig
from notifier.messages.compose import new_reference
from notifier.messages.render import render_test
from notifier.models import Target as TargetRow
from notifier.outbox import stand_ins


@dataclass(frozen=True, slots=True)
class Outcome:
    delivered: bool
    text: str


def send_test(channel: ChannelConfig, target: Recipient, tz: str, site: str = "", *, answered_by: int = 0) -> Outcome:
    """Send a test message. If it arrives, a target that was set aside or has to wait is used again."""
    if channel.unconfigured:
        return Outcome(False, f"not configured: set {', '.join(channel.missing)}")
    where = f"channel {channel.alias}" + (f" of {site}" if site else "")
    message = render_test(where, clock.now(), tz, reference=new_reference(), answered_by=answered_by)
    row = TargetRow.objects.filter(key=target.key).first()
    try:
        receipt = load(channel.backend)(channel.options).deliver(target.address, message)
    except DeliveryError as error:
        return Outcome(False, str(error))
    if row is not None and (row.dead_since is not None or row.is_failing):
        stand_ins.revive(row, clock.now())
        api.resolve(f"delivery.{row.pk}", "a test message arrived", clock.now())
        wake(f"deliver-{channel.alias}")
        return Outcome(True, f"delivered ({receipt.provider_id}); alerts go there again")
    return Outcome(True, f"delivered ({receipt.provider_id or channel.backend})")
