"""Failures and events that happened, for a dry run. dj-stripe's users have none of `webhooks`' tables."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from django.apps import apps

from notifier.facts import Failure as Facts

if TYPE_CHECKING:
    from webhooks.models import Failure

LOOKED_AT, KINDS = 200, 8  # failures, of which so many kinds are offered


def newest() -> list[Failure]:
    """The newest failure of each kind among the last ones."""
    if not _has_events():
        return []
    from webhooks.models import Failure

    rows = Failure.objects.select_related("event").defer("event__body").order_by("-pk")[:LOOKED_AT]
    kinds: dict[tuple[str, str], Failure] = {}
    for row in rows:
        kinds.setdefault((row.event.type, row.exception), row)
    return list(kinds.values())[:KINDS]


def body_of(event_id: str) -> str | None:
    """What Stripe sent; None: it is not stored here."""
    if not _has_events():
        return None
    from webhooks.models import WebhookEvent

    return WebhookEvent.objects.filter(event_id=event_id).values_list("body", flat=True).first()


def asked_of(number: str) -> dict[str, str]:
    """What the form of a dry run says for a failure that happened; {}: there is none of this number."""
    row = _failure(number)
    if row is None:
        return {}
    return {
        "event": row.event.event_id,
        "exception": row.exception,
        "message": row.message,
        "attempt": str(row.attempt),
        "last": "" if row.will_retry else "1",
        "mode": "live" if row.event.livemode else "test",
    }


def as_it_happened(asked: Facts, number: str) -> Facts:
    """With where it broke and what was known of it, unless another exception or event is asked for."""
    row = _failure(number)
    if row is None or row.event.event_id != asked.event_id:
        return asked
    from notifier.intake.webhooks import facts_of
    from webhooks.events import parse

    known = facts_of(row.event, parse(row.event.body, row.event.endpoint), row)
    if known.exceptions[:1] != asked.exceptions[:1]:
        return asked
    changed = ("key", "occurred_at", "message", "livemode", "attempt", "will_retry")
    return replace(known, **{name: getattr(asked, name) for name in changed})


def _failure(number: str) -> Failure | None:
    if not _has_events() or not number.isdecimal() or len(number) > 18:
        return None
    from webhooks.models import Failure

    return Failure.objects.select_related("event", "traceback").filter(pk=int(number)).first()


def _has_events() -> bool:
    return "swa_webhooks" in apps.app_configs
