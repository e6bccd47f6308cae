"""Somebody takes a rotation over, and what became of that."""

from __future__ import annotations

from tests.chaos import AFTER, BEFORE
from tests.chaos.audit import Count
from tests.chaos.machine import Machine

OVERRIDE = "swa_notifier_handover WHERE override_id IS NOT NULL"


def take_over(machine: Machine) -> None:
    machine.manage("override", "payments", "ben", "--for", "1h")


def handed_over(machine: Machine, event_type: str) -> Count:
    """It is written down, once, and who has it now is paged, and nobody else."""
    count = Count()
    if (rows := machine.value(f"SELECT count(*) FROM {OVERRIDE}")) != 1:
        count.lost_alert(f"a handover is written down {rows} times")
    paged = {message["to"] for message in machine.providers.twilio.messages if event_type in message["body"]}
    if AFTER not in paged:
        count.lost_alert("who took the rotation over was not paged")
    if BEFORE in paged:
        count.lost_alert("who had the rotation before was paged too")
    return count
