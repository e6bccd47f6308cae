"""What is kept of a failure in dj-stripe: fields from an allow-list, every text redacted; never keys or headers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Max

from alerts_runtime.error_facts import MESSAGE_LIMIT, describe
from alerts_runtime.redaction.redact import redact
from alerts_runtime.stripe_data.event import StripeEvent, parse
from alerts_runtime.stripe_data.refused import MalformedEvent
from notifier.facts import Failure, Frame, Money
from notifier.intake import by_class
from notifier.intake.source import DJSTRIPE_KEYS
from notifier.judge.match import canonical
from notifier.models import Occurrence

# Stripe delivers again for up to three days in live mode, and three times within hours otherwise.
# https://docs.stripe.com/webhooks#automatic-retries
RETRIES_FOR = timedelta(days=3)
RETRIES_IN_TEST_MODE = 3


def of(row: Any, error: BaseException, now: datetime, *, replayed: bool = False) -> Failure:
    """The failure of a delivery whose processing raised `error`. The row has not been saved yet."""
    found = describe(error, class_only=_keeps_no_texts())
    where = found.where
    return _failure(
        row,
        now,
        exceptions=tuple(canonical(path) for path in (found.exception, *found.bases)),
        message=found.message,
        frame=Frame(where.file, where.line, where.module, where.function) if where.file else None,
        kind=found.kind,
        transient=found.transient,
        peer=found.peer,
        traceback=found.stack,
        replayed=replayed,
    )


def of_row(row: Any, now: datetime) -> Failure:
    """The same from a saved row, which has the exception's class only in the text of its traceback."""
    failure = _failure(
        row,
        row.created,
        exceptions=(_class_in(row.traceback),),
        message="" if _keeps_no_texts() else redact(row.exception, limit=MESSAGE_LIMIT),
        traceback="" if _keeps_no_texts() else redact(row.traceback, limit=20_000),
    )
    return by_class.judged(failure)


def _class_in(traceback: str) -> str:
    """The class that a traceback ends with: the first line after the last frame, up to the message."""
    rest = traceback.rpartition('\n  File "')[2].splitlines()[1:]
    path = next((line for line in rest if not line.startswith(" ")), "").partition(":")[0]
    return canonical(path) if all(part.isidentifier() for part in path.split(".")) else "Exception"


def _keeps_no_texts() -> bool:
    """Whether WEBHOOKS["MESSAGES"] says not to keep texts; it counts here too, even if `webhooks` is not installed."""
    table = getattr(settings, "WEBHOOKS", None)
    return isinstance(table, Mapping) and table.get("MESSAGES") == "class-only"


def row_of(key: str) -> int:
    """The id of dj-stripe's row in the key of a failure."""
    return int(key.removeprefix(DJSTRIPE_KEYS).split(":")[0])


def event_id_of(row: Any) -> str:
    """The event's id, or empty. Only a delivery that was validated has one that can be trusted."""
    found = row.json_body.get("id") if isinstance(row.json_body, dict) else None
    return found if isinstance(found, str) and len(found) <= 255 else ""


def last_failures(event_ids: Iterable[str]) -> dict[str, datetime]:
    """When each of these events last failed."""
    failed = Occurrence.objects.filter(event_id__in=event_ids, recovered_at__isnull=True, key__startswith=DJSTRIPE_KEYS)
    return dict(failed.values_list("event_id").annotate(Max("occurred_at")))


def _failure(row: Any, at: datetime, *, replayed: bool = False, **found: Any) -> Failure:
    event = _event(row)
    if event is None:
        return Failure(key=_key(row), occurred_at=at, endpoint=_endpoint(row), **found)
    # Each delivery of an event is a row of its own, so counting rows gives the attempts.
    attempt = 1 + Occurrence.objects.filter(event_id=event.id, recovered_at__isnull=True).count()
    until = event.created + RETRIES_FOR
    more = at < until if event.livemode else attempt <= RETRIES_IN_TEST_MODE
    return Failure(
        key=_key(row) + (f":{attempt}" if replayed else ""),
        occurred_at=at,
        event_id=event.id,
        event_type=event.type,
        endpoint=_endpoint(row),
        account=event.account,
        livemode=event.livemode,
        attempt=attempt,
        max_attempts=None if event.livemode else RETRIES_IN_TEST_MODE + 1,
        will_retry=more and not replayed,
        gives_up_at=until if event.livemode else None,
        object_id=event.object_id,
        customer=event.customer,
        money=Money(event.amount, event.currency) if event.amount is not None and event.currency else None,
        amount_unknown=event.amount_unknown,
        **found,
    )


def _key(row: Any) -> str:
    # Ids begin at 1 again when a table is emptied; the second (of time) tells such rows from the old ones.
    return f"{DJSTRIPE_KEYS}{row.pk}:{row.created:%Y%m%d%H%M%S}"


def _endpoint(row: Any) -> str:
    return str(row.webhook_endpoint.id)[:100] if row.webhook_endpoint_id else ""


def _event(row: Any) -> StripeEvent | None:
    try:
        return parse(row.body, _endpoint(row))
    except MalformedEvent:
        return _what_can_be_read(row)


def _what_can_be_read(row: Any) -> StripeEvent | None:
    """The fields of an event of an unknown form that can be read. It is told all the same, since Stripe signed it."""
    body = row.json_body if isinstance(row.json_body, dict) else {}
    readable = {"object": "event", "created": int(row.created.timestamp()), "livemode": body.get("livemode") is True}
    known = {name: body.get(name) for name in ("id", "type")}
    try:
        return parse(json.dumps(readable | known), _endpoint(row))
    except MalformedEvent:
        return None
