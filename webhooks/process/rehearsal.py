"""What a replay would do: today's handlers run over stored events in transactions that are always rolled back.

Callbacks of on_commit do not run, nobody is told, no attempt is counted. What a handler does outside the databases,
such as a request or a mail, cannot be undone: so handlers with `atomic=False`, which are for that, are not run.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from django.db import connection

from webhooks.handlers import matching
from webhooks.models import WebhookEvent
from webhooks.process.errors import ErrorFacts
from webhooks.process.trial_run import TrialRun

State = WebhookEvent.State
SAMPLE = 20  # events on SQLite, where nobody else can write while a handler runs
LONGEST_PAUSE = 0.1  # seconds that others get between two events there
ALL_WITHIN = 20.0  # seconds after which no further one is begun

NOT_FOUND = "not stored here"
BUSY = "being processed"
NO_HANDLER = "no handler takes them"
OUTSIDE = "their handlers call the network (atomic=False)"
NOT_SAMPLED = "not in the sample"
NO_TIME = "no time was left"
AFTER_HUNG = "a handler hung before their turn"
_NOT_RUN: Mapping[str, str] = {
    State.PROCESSING: BUSY,
    State.PROCESSED: "processed already",
    State.INCOMPLETE: "processed already, but for a callback after the commit",
    State.IGNORED: "of the mode that their endpoint does not handle",
    State.DROPPED: "never to be run again",
}


@dataclass(frozen=True, slots=True)
class Failing:
    """Events that would fail in the same way: the class, the line of the site's code, how many, and one of them."""

    exception: str
    where: str
    count: int
    example: str


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """The result of a rehearsal, as numbers of events.

    `left_out`: those that were not tried, by the reason. `partly`: those that passed although some of their handlers
    were not run.
    """

    passed: int = 0
    failures: tuple[Failing, ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)
    partly: int = 0

    @property
    def tried(self) -> int:
        return self.passed + sum(one.count for one in self.failures)

    @property
    def sentence(self) -> str:
        """For people: "398 of 412 would pass, 14 fail with KeyError in billing.py:88"."""
        parts = [_passing(self.passed, self.tried)]
        if self.failures:
            parts[0] += ", " + ", ".join(
                f"{one.count:,} fail{'' if one.count > 1 else 's'} with {one.exception} in {one.where}"
                for one in self.failures
            )
        if self.partly:
            parts.append(f"of {self.partly:,} only a part was tried: {OUTSIDE.replace('their', 'other')}")
        if self.left_out:
            reasons = ", ".join(f"{count:,} {why}" for why, count in self.left_out.items())
            parts.append(f"not tried: {reasons}")
        return "; ".join(parts) + "."


def rehearse(event_ids: Sequence[str], *, limit: int | None = None, seconds: float = ALL_WITHIN) -> Rehearsal:
    """Run today's handlers over those of these events that wait or were given up, and roll everything back.

    `limit`: how many at most, spread over all of them; None: all on PostgreSQL, and 20 on SQLite, where nobody else can
    write meanwhile. `seconds`: after them no further event is begun. A handler that hangs is cut off after 30 seconds,
    and ends the rehearsal. Raises django.db.Error when a database cannot be reached.
    """
    ids = list(dict.fromkeys(event_ids))
    left: Counter[str] = Counter()
    runnable = []
    for event_id, why in _looked_through(ids):
        if why:
            left[why] += 1
        else:
            runnable.append(event_id)
    if limit is None and connection.vendor == "sqlite":
        limit = SAMPLE
    chosen = _spread(runnable, limit)
    left.update({NOT_SAMPLED: len(runnable) - len(chosen)})
    found, counts = _run(chosen, time.monotonic() + seconds)
    left.update(counts)
    return Rehearsal(
        passed=found.passed,
        failures=found.groups(),
        left_out={why: count for why, count in left.items() if count},
        partly=found.partly,
    )


class _Found:
    def __init__(self) -> None:
        self.passed = self.partly = 0
        self._failed: Counter[tuple[str, str]] = Counter()
        self._examples: dict[tuple[str, str], str] = {}

    def failed(self, event_id: str, facts: ErrorFacts) -> None:
        key = (facts.exception, f"{facts.where.file}:{facts.where.line}" if facts.where.file else "an unknown place")
        self._failed[key] += 1
        self._examples.setdefault(key, event_id)

    def groups(self) -> tuple[Failing, ...]:
        return tuple(Failing(*key, count, self._examples[key]) for key, count in self._failed.most_common())


def _looked_through(ids: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Each event id, and why it cannot be tried; empty when it can."""
    for start in range(0, len(ids), 500):
        some = ids[start : start + 500]
        rows = WebhookEvent.objects.filter(event_id__in=some).values_list("event_id", "state", "type")
        known = {event_id: (state, kind) for event_id, state, kind in rows}
        for event_id in some:
            yield event_id, _why_not(*known[event_id]) if event_id in known else NOT_FOUND


def _why_not(state: str, event_type: str) -> str:
    if state in _NOT_RUN:
        return _NOT_RUN[state]
    handlers = matching(event_type)
    if not handlers:
        return NO_HANDLER
    return "" if any(handler.atomic for handler in handlers) else OUTSIDE


def _spread(ids: list[str], limit: int | None) -> list[str]:
    if limit is None or limit >= len(ids):
        return ids
    return [ids[number * len(ids) // limit] for number in range(limit)]


def _run(ids: Sequence[str], until: float) -> tuple[_Found, Counter[str]]:
    found, left = _Found(), Counter[str]()
    for number, event_id in enumerate(ids):
        began = time.monotonic()
        if began >= until:
            left[NO_TIME] += len(ids) - number
            break
        trial = TrialRun(event_id)
        facts = trial.run()
        if trial.busy:
            left[BUSY] += 1
        elif facts:
            found.failed(event_id, facts)
        else:
            found.passed += 1
            found.partly += trial.partly
        if trial.hung:
            left[AFTER_HUNG] += len(ids) - number - 1
            break
        if connection.vendor == "sqlite" and not connection.in_atomic_block:
            time.sleep(min(time.monotonic() - began, LONGEST_PAUSE))
    return found, left


def _passing(passed: int, tried: int) -> str:
    if not tried:
        return "None was tried"
    if passed == tried:
        return "The one would pass" if tried == 1 else f"All {tried:,} would pass"
    return f"{passed:,} of {tried:,} would pass" if passed else f"None of {tried:,} would pass"
