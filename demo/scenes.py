"""The events that the demo posts, and what it promises of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from demo.shop.premises import FORGOTTEN
from notifier.facts import Severity
from webhooks import samples


@dataclass(frozen=True, slots=True)
class Scene:
    """One event and what must become of it. Without a severity it is handled, or refused when it is not signed."""

    about: str
    event: dict[str, Any]
    signed: bool = True
    severity: Severity | None = None
    told: frozenset[str] = frozenset()  # channels
    replayed: bool = False  # given up: it needs `manage.py replay`

    @property
    def event_id(self) -> str:
        return str(self.event["id"])

    @property
    def status(self) -> int:
        return 200 if self.signed else 400


def scenes() -> list[Scene]:
    """Made anew for each run, with ids of their own."""
    return [
        Scene(
            "The shop handles it.",
            samples.snapshot("checkout.session.completed", livemode=True, amount=4_900),
        ),
        Scene(
            "This one too.",
            samples.snapshot("customer.created"),
        ),
        Scene(
            "Its handler has a bug: the shop has forgotten a plan.",
            samples.snapshot("customer.subscription.updated", plan=FORGOTTEN),
            severity=Severity.ERROR,
            told=frozenset({"slack"}),
            replayed=True,
        ),
        Scene(
            "Its handler calls the Stripe API, which is out of reach.",
            samples.snapshot("charge.refunded", amount=2_000),
            severity=Severity.WARNING,
            told=frozenset({"slack"}),
        ),
        Scene(
            "A payment in live mode, and the shop's ledger database is not there.",
            samples.snapshot("invoice.paid", livemode=True),
            severity=Severity.CRITICAL,
            told=frozenset({"slack", "oncall", "team"}),
        ),
        Scene(
            "Somebody else signed this one.",
            samples.snapshot("invoice.paid", livemode=True, amount=99_900_000),
            signed=False,
        ),
    ]
