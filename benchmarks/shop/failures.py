"""A failure as the notifier is told of it."""

from __future__ import annotations

from django.utils import timezone

from notifier.facts import Failure, Frame, Money


def a_failure(mark: str, *, account: str = "") -> Failure:
    """Of a Connect account of its own, which makes it a problem of its own, unless `account` names one."""
    return Failure(
        key=f"benchmark:{mark}",
        occurred_at=timezone.now(),
        exceptions=("KeyError", "LookupError", "Exception"),
        message="'price_premium'",
        event_id=f"evt_mark_{mark}",
        event_type="invoice.payment_failed",
        endpoint="default",
        account=account or f"acct_{mark}",
        livemode=True,
        attempt=1,
        max_attempts=1,
        will_retry=False,
        kind="code",
        frame=Frame("shop/handlers.py", 84, "shop.handlers", "look_up_price"),
        object_id=f"in_{mark}",
        customer=f"cus_{mark}",
        money=Money(125_000, "eur"),
        traceback="Traceback (most recent call last):\n" + '  File "shop/handlers.py", line 84, in look_up\n' * 10,
    )
