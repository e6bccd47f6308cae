"""The JSON of events, as large as those of the other benchmarks."""

from __future__ import annotations

import json
import secrets

from benchmarks.events import SIZE
from webhooks import samples


def a_body(event_type: str, *, account: str = "", mark: str = "") -> str:
    """`account`: another Connect account makes it another problem. `mark`: becomes part of the event's id."""
    event = samples.snapshot(event_type, account=account, event_id=f"evt_mark_{mark}" if mark else "", livemode=True)
    event["data"]["object"]["description"] = ""
    event["data"]["object"]["description"] = secrets.token_hex(SIZE)[: SIZE - len(json.dumps(event))]
    return json.dumps(event)
