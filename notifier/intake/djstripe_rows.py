"""Reads dj-stripe's tables: refused deliveries, events that were processed later, failures that were not told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Q, QuerySet
from django.utils.datastructures import CaseInsensitiveMapping
from djstripe.enums import WebhookEndpointValidation
from djstripe.models import Event, WebhookEventTrigger
from djstripe.settings import djstripe_settings

from alerts_runtime.stripe_data.refused import BadSignature
from alerts_runtime.stripe_data.signature import verify
from notifier.facts import EventCounts
from notifier.intake.traffic import missing
from notifier.judge.watch import Seen
from notifier.models import Occurrence

_UNDER_WAY = timedelta(minutes=2)  # a younger row may be of a request that is still running
_LOOKED_AT = 200  # refused deliveries whose reason is read; there may be very many
_TOLD_LATE = 100
# Failed rows have a traceback. Not `exception`, which is empty if str() of the exception is.
_FAILED = Q(traceback__gt="")
_told_up_to: dict[str, int] = {}


def processed_since(failed_at: Mapping[str, datetime]) -> dict[str, str]:
    """Those of these events that were processed after their last failure, each with how."""
    later: dict[str, str] = {}
    events = Event.objects.filter(id__in=failed_at).values_list("id", "djstripe_created")
    later |= {event_id: "replay" for event_id, at in events if at >= failed_at[event_id]}
    done = WebhookEventTrigger.objects.filter(event__id__in=failed_at, processed=True)
    later |= {
        event_id: "retry" for event_id, at in done.values_list("event__id", "created") if at >= failed_at[event_id]
    }
    return later


def untold(after: datetime, now: datetime) -> Iterator[Any]:
    """Failed deliveries since `after` that this process has not looked at yet: the receiver may have failed for one."""
    first = _told_up_to.get("pk") or _last_before(after)
    settled = WebhookEventTrigger.objects.filter(pk__gt=first, created__lt=now - _UNDER_WAY).order_by("pk")
    last = settled.values_list("pk", flat=True).last() or first
    failed = settled.filter(_FAILED, pk__lte=last, valid=True, processed=False).select_related("webhook_endpoint")
    yield from failed[:_TOLD_LATE]
    _told_up_to["pk"] = last


def event_counts(failed: QuerySet[Occurrence], start: datetime, end: datetime) -> EventCounts:
    """`failed`: the occurrences of that time, as dj-stripe's own rows do not say which event failed."""
    taken = WebhookEventTrigger.objects.filter(
        ~_FAILED, pk__gt=_last_before(start), created__gte=start, created__lt=end, valid=True
    )
    processed = taken.aggregate(n=Count("event", distinct=True))["n"] + taken.filter(event=None).count()
    of_events = failed.exclude(event_id="").values("event_id")
    states = of_events.annotate(
        left=Count("pk", filter=Q(recovered_at=None)), given_up=Count("pk", filter=Q(dead=True))
    )
    recovered = states.filter(left=0).count()
    dead = states.filter(left__gt=0, given_up__gt=0).count()
    still_open = states.filter(left__gt=0, given_up=0).count()
    again = Occurrence.objects.filter(event_id__in=taken.filter(event__isnull=False).values("event__id"))
    first_time = max(processed - again.values("event_id").distinct().count(), 0)
    return EventCounts(first_time + recovered + dead + still_open, first_time, recovered, dead, still_open)


def seen(window: timedelta, expected: Iterable[str], now: datetime) -> Seen:
    since = now - window
    recent = WebhookEventTrigger.objects.filter(pk__gt=_last_before(since), created__gte=since)
    stored = dict(recent.filter(valid=True).values_list("webhook_endpoint__id").annotate(Count("pk")))
    valid = {str(endpoint): number for endpoint, number in stored.items()}
    refused = _refused(recent.filter(valid=False, created__lt=now - _UNDER_WAY))
    silent = {endpoint for endpoint, _ in refused} - set(valid)
    of_endpoint = {name: WebhookEventTrigger.objects.filter(webhook_endpoint__id=name, valid=True) for name in silent}
    first = WebhookEventTrigger.objects.order_by("pk").values_list("created", flat=True).first()
    return Seen(
        refused=refused,
        stored=valid,
        missing={name: found for name, rows in of_endpoint.items() if (found := missing(rows, "created", now))},
        last_of_type={name: _last_of_type(name) for name in expected},
        first_ever=first,
        oldest_waiting=None,
        waiting=0,
    )


def api_key_of(row: Any) -> str:
    """The API key with which dj-stripe itself would process this delivery."""
    account, endpoint = row.stripe_trigger_account, row.webhook_endpoint
    default = djstripe_settings.get_default_api_key(endpoint.livemode if endpoint else None)
    return str((account.default_api_key if account else None) or default)


def _last_before(moment: datetime) -> int:
    """The id of the last delivery before then. `created` has no index, so it is searched from the newest back."""
    earlier = WebhookEventTrigger.objects.filter(created__lt=moment).order_by("-pk")
    return earlier.values_list("pk", flat=True).first() or 0


def _last_of_type(name: str) -> datetime | None:
    found = Event.objects.filter(type=name, livemode=True).order_by("-djstripe_id")
    last: datetime | None = found.values_list("djstripe_created", flat=True).first()
    return last


def _refused(rows: QuerySet[Any]) -> dict[tuple[str, str], int]:
    """The number of refused deliveries by endpoint and reason. The reason is not stored: it is found for the newest."""
    newest = rows.order_by("-pk").select_related("webhook_endpoint")[:_LOOKED_AT]
    return dict(Counter((str(row.webhook_endpoint.id), reason_of(row)) for row in newest if row.webhook_endpoint_id))


def reason_of(row: Any) -> str:
    """Why dj-stripe refused a delivery, as one of the reasons in notifier.judge.watch."""
    endpoint = row.webhook_endpoint
    if endpoint.djstripe_validation_method == WebhookEndpointValidation.verify_signature:
        header = CaseInsensitiveMapping(row.headers).get("stripe-signature", "")
        secrets = [endpoint.secret] if endpoint.secret else []
        try:
            verify(row.body.encode(), header, secrets, endpoint.djstripe_tolerance, row.created)
        except BadSignature as refused:
            return refused.reason
    if row.traceback:
        return "not_validated"
    body = row.json_body
    # It is signed and was not processed: its request died, or a receiver raised before the row was saved.
    return "unrecorded" if isinstance(body, dict) and {"id", "livemode"} <= body.keys() else "malformed_event"
