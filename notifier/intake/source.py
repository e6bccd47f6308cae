"""The apps that receive Stripe's events (`webhooks`, dj-stripe), and what the notifier needs of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from functools import cache
from importlib import import_module
from typing import Protocol, cast

from django.apps import apps

from notifier.facts import EventCounts
from notifier.flow.replays import Replayed
from notifier.judge.watch import Seen

# By the label of the app that must be installed: a site may have an app `webhooks` of its own.
_MODULES: Mapping[str, str] = {"swa_webhooks": "notifier.intake.webhooks", "djstripe": "notifier.intake.djstripe"}
DJSTRIPE_KEYS = "djstripe."  # how the idempotency keys of dj-stripe's failures begin


class Source(Protocol):
    """An app that receives Stripe's events. Each is a module of this package with these functions."""

    def reconcile(self, after: int, now: datetime) -> int:
        """Record recoveries and failures that were missed, because the process died before it could record them.

        Looks at some of the unrecovered occurrences after the one with the id `after`. Returns the id from which to go
        on next time; 0 at the end.
        """

    def event_counts(self, start: datetime, end: datetime) -> EventCounts:
        """Counts of the events that were received from `start` to before `end`, by what became of them."""

    def seen(self, window: timedelta, expected: Iterable[str], now: datetime) -> Seen:
        """What came in during `window` before `now`, and when each type in `expected` last came in live mode."""

    def replay(self, event_ids: Sequence[str], now: datetime) -> Replayed:
        """Have those of these events that are its own processed again by a worker. Within the caller's transaction."""


@cache
def sources() -> tuple[Source, ...]:
    """The sources whose apps are installed."""
    found = (import_module(module) for app, module in _MODULES.items() if app in apps.app_configs)
    return tuple(cast(Source, module) for module in found)


def connect() -> None:
    """Connect the receivers of every source, which importing its module does."""
    sources()


class Reconciler:
    """Calls `reconcile` of each source, and keeps where each goes on."""

    def __init__(self) -> None:
        self._after: dict[Source, int] = {}

    def __call__(self, now: datetime) -> None:
        for source in sources():
            self._after[source] = source.reconcile(self._after.get(source, 0), now)


def event_counts(start: datetime, end: datetime) -> EventCounts | None:
    """The counts of all sources together; None when none is installed."""
    found = [source.event_counts(start, end) for source in sources()]
    if not found:
        return None
    return EventCounts(*(sum(getattr(one, field.name) for one in found) for field in fields(EventCounts)))


def seen(window: timedelta, expected: Iterable[str], now: datetime) -> Seen:
    """What came in at all sources together. A type is missing only if none of them has seen it."""
    return merged([source.seen(window, expected, now) for source in sources()])


def merged(found: Iterable[Seen]) -> Seen:
    """Merge several into one. The endpoints of different sources have different names. Pure."""
    all_of = list(found)
    types = {name for one in all_of for name in one.last_of_type}
    return Seen(
        refused={key: number for one in all_of for key, number in one.refused.items()},
        stored={key: number for one in all_of for key, number in one.stored.items()},
        missing={key: missing for one in all_of for key, missing in one.missing.items()},
        last_of_type={name: _last(one.last_of_type.get(name) for one in all_of) for name in types},
        first_ever=min((one.first_ever for one in all_of if one.first_ever), default=None),
        oldest_waiting=min((one.oldest_waiting for one in all_of if one.oldest_waiting), default=None),
        waiting=sum(one.waiting for one in all_of),
    )


def _last(times: Iterable[datetime | None]) -> datetime | None:
    return max((time for time in times if time), default=None)
