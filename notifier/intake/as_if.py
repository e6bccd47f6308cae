"""Makes up a failure for a dry run."""

from __future__ import annotations

import json
import secrets
from datetime import datetime

from django.utils.module_loading import import_string

from alerts_runtime.stripe_data.event import parse
from notifier.facts import Failure, Money
from notifier.intake import by_class
from notifier.judge.match import canonical


def failure_like(
    event: bytes | str,
    exception: str,
    *,
    message: str,
    attempt: int,
    will_retry: bool,
    livemode: bool | None,
    now: datetime,
) -> Failure:
    """A made-up failure. `event` is the JSON of an event, or only its type. Raises ValueError for bad JSON."""
    if isinstance(event, str):
        event = json.dumps(
            {
                "id": "evt_dryrun",
                "object": "event",
                "type": event,
                "created": int(now.timestamp()),
                "livemode": bool(livemode),
                "data": {"object": {}},
            }
        ).encode()
    found = parse(event, "default")
    has_money = found.amount is not None and bool(found.currency)
    failure = Failure(
        key=f"dryrun:{secrets.token_hex(8)}",
        occurred_at=now,
        exceptions=bases_of(exception),
        message=message,
        event_id=found.id,
        event_type=found.type,
        endpoint=found.endpoint,
        account=found.account,
        livemode=found.livemode if livemode is None else livemode,
        attempt=attempt,
        will_retry=will_retry,
        object_id=found.object_id,
        customer=found.customer,
        money=Money(found.amount, found.currency) if has_money and found.amount is not None else None,
        amount_unknown=found.amount_unknown,
    )
    return by_class.judged(failure)


def bases_of(path: str) -> tuple[str, ...]:
    """An exception's class and bases as paths; only the path itself when it cannot be imported here."""
    try:
        found = import_string(path if "." in path else f"builtins.{path}")
    except ImportError:
        return (canonical(path),)
    if not (isinstance(found, type) and issubclass(found, BaseException)):
        raise ValueError(f"{path} is not an exception class")
    return tuple(canonical(f"{base.__module__}.{base.__qualname__}") for base in found.__mro__[:-2])
