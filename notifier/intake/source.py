"""What the notifier asks of whoever receives Stripe's events, and of whom it asks it."""

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
DJSTRIPE_KEYS = "djstripe."  # how the idempotency keys of its failures begin


class Source(Protocol):
    """An app that receives Stripe's events; a module with these functions is one."""

    def reconcile(self, after: int, now: datetime) -> int:
        """Record what was missed: a recovery, or a failure, whose process died before it could be told.

        Looks at some of the unrecovered occurrences after the one with id `after`; the id to go on from next time, 0
        at the end.
        """

    def event_counts(self, start: datetime, end: datetime) -> EventCounts:
        """What became of the events that were received from `start` to before `end`."""

    def seen(self, window: timedelta, expected: Iterable[str], now: datetime) -> Seen:
        """What came in within `window` before `now`, and when each type of `expected` last came in live mode."""

    def replay(self, event_ids: Sequence[str], now: datetime) -> Replayed:
        """Have its events processed again, by a worker, in its own way. Within the caller's transaction."""


@cache
def sources() -> tuple[Source, ...]:
    """Those that are installed."""
    found = (import_module(module) for app, module in _MODULES.items() if app in apps.app_configs)
    return tuple(cast(Source, module) for module in found)


def connect() -> None:
    """Let each source's failures be heard: importing its module connects its receivers."""
    sources()


class Reconciler:
    """Lets each source go through the occurrences at its own pace."""

    def __init__(self) -> None:
        self._after: dict[Source, int] = {}

    def __call__(self, now: datetime) -> None:
        for source in sources():
            self._after[source] = source.reconcile(self._after.get(source, 0), now)


def event_counts(start: datetime, end: datetime) -> EventCounts | None:
    """The sum over all sources; None without one."""
    found = [source.event_counts(start, end) for source in sources()]
    if not found:
        return None
    return EventCounts(*(sum(getattr(one, field.name) for one in found) for field in fields(EventCounts)))


def seen(window: timedelta, expected: Iterable[str], now: datetime) -> Seen:
    """What came in by all sources. An event of a type that one of them has seen is not missing."""
    return merged([source.seen(window, expected, now) for source in sources()])


def merged(found: Iterable[Seen]) -> Seen:
    """One value of several; the endpoints of different sources have different names. Pure."""
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
