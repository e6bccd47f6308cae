"""A site with two people and one rotation: alice from Monday 5 January 2026, 09:00 in Berlin, then bob, and so on."""

from __future__ import annotations

from typing import Any

import pytest

from notifier.config.conf import get_policy
from notifier.judge.oncall.rotation import Rotation
from notifier.judge.policy import Policy
from tests.notifier.conftest import Configure

PEOPLE: dict[str, Any] = {"alice": {"NAME": "Alice"}, "bob": {"NAME": "Bob"}, "carol": {"NAME": "Carol"}}
PAYMENTS: dict[str, Any] = {
    "TZ": "Europe/Berlin",
    "HANDOVER": "Mon 09:00",
    "START": "2026-01-05",
    "MEMBERS": ["alice", "bob"],
}


@pytest.fixture
def site(configure: Configure) -> Policy:
    configure(people=PEOPLE, oncall={"payments": PAYMENTS})
    return get_policy()


@pytest.fixture
def payments(site: Policy) -> Rotation:
    return site.rotations["payments"]
