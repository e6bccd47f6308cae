"""How a recipient is named where others read it: in messages, stored texts, logs and the admin. Pure.

Whoever may change targets (the permission `notifier.change_target`) sees addresses whole, in the admin alone.
"""

from __future__ import annotations


def masked(address: str) -> str:
    """An address that can be recognised and not used: "+49…42", "a…@example.com". The name of a channel is shown."""
    if address.startswith("#"):
        return address
    local, at, domain = address.rpartition("@")
    if at:
        return f"{local[:1]}…@{domain}"
    return f"{address[:3]}…{address[-2:]}" if len(address) >= 9 else f"{address[:1]}…"


def named(channel: str, address: str) -> str:
    """A recipient in words: "oncall (+49…42)"."""
    return f"{channel} ({masked(address)})" if address and address != channel else channel
