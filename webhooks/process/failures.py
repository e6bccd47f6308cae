"""The only writer of Failure and Traceback: what went wrong, and whether receivers were told of it."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from time import monotonic

from django.db import Error as AnyDatabaseError
from django.db import IntegrityError
from django.db.models import Q

from alerts_runtime.database.fast_sql import create, update
from webhooks.models import Failure, Traceback, WebhookEvent
from webhooks.process.errors import ErrorFacts
from webhooks.process.ran import Line
from webhooks.process.retry import Plan

MAX_ANNOUNCEMENTS = 5
_PATIENCE = timedelta(seconds=5)  # before an announcement counts as lost
_BATCH = 100
_TRACEBACKS = 10
_STORED_MAX = 1000

_lock = threading.Lock()
_stored: set[str] = set()  # hashes of tracebacks that this process knows to be stored
_under_way: set[int] = set()  # failures whose receivers this process is calling
# Failures whose receivers were called, which is not written down yet, and since when (monotonic).
_announced: list[tuple[float, Failure]] = []
_this_thread = threading.local()


def record(
    row: WebhookEvent,
    facts: ErrorFacts,
    plan: Plan,
    now: datetime,
    *,
    handlers: Sequence[Line] = (),
    callbacks: Sequence[str] | None = None,
) -> Failure:
    """Write a failure, within the transaction that sets the event's state. Counts its first announcement already.

    `handlers`: each with what became of it; none when a worker died and nobody knows. `callbacks`: for a failure after
    the commit, the names of the callbacks of on_commit that did not run.
    """
    _store_traceback(facts)
    failure = Failure(
        event=row,
        attempt=row.attempt,
        max_attempts=plan.max_attempts,
        occurred_at=now,
        exception=facts.exception,
        bases=list(facts.bases),
        kind=facts.kind,
        transient=facts.transient,
        peer=facts.peer,
        message=facts.message,
        file=facts.where.file,
        line=facts.where.line,
        module=facts.where.module,
        function=facts.where.function,
        traceback=Traceback(facts.stack_sha256, facts.stack) if facts.stack_sha256 else None,
        handlers=list(handlers),
        duration_ms=facts.duration_ms,
        will_retry=plan.will_retry,
        next_attempt_at=plan.next_attempt_at,
        gives_up_at=plan.gives_up_at,
        announcements=1,
        after_commit=callbacks is not None,
        callbacks="\n".join(callbacks or ()),
    )
    create(failure)
    return failure


def forget_tracebacks() -> None:
    with _lock:
        _stored.clear()


def _store_traceback(facts: ErrorFacts) -> None:
    sha256 = facts.stack_sha256
    if not sha256 or sha256 in _stored:
        return
    Traceback.objects.bulk_create([Traceback(sha256=sha256, text=facts.stack)], ignore_conflicts=True)
    with _lock:
        if len(_stored) >= _STORED_MAX:
            _stored.clear()
        _stored.add(sha256)


def unannounced(now: datetime) -> list[Failure]:
    """Failures whose receivers are to be called again now: their process died, or one of them raised."""
    due = Q(announce_at__isnull=True) | Q(announce_at__lte=now)
    lost = Failure.objects.filter(
        due, announced_at__isnull=True, occurred_at__lt=now - pause_after(1), announcements__lte=MAX_ANNOUNCEMENTS
    )
    rows = lost.select_related("event").order_by("occurred_at")[:_BATCH]
    return [failure for failure in rows if failure.pk not in _under_way]


def pause_after(announcements: int) -> timedelta:
    """The pause after so many announcements: 5 s, 20 s, 80 s and so on."""
    return _PATIENCE * int(4 ** max(announcements - 1, 0))


@contextmanager
def announcing(failure: Failure) -> Iterator[None]:
    with _lock:
        _under_way.add(failure.pk)
    try:
        yield
    finally:
        with _lock:
            _under_way.discard(failure.pk)


def begin_again(failure: Failure, now: datetime) -> bool:
    """Count an announcement before it is made, so that one that kills its process is not made for ever.

    False: another process has begun it, or it was heard.
    """
    unchanged = Failure.objects.filter(pk=failure.pk, announced_at__isnull=True, announcements=failure.announcements)
    again = failure.announcements + 1
    if not unchanged.update(announcements=again, announce_at=now + pause_after(again)):
        return False
    failure.announcements = again
    return True


def not_heard(failure: Failure, receivers: Iterable[str]) -> None:
    """Note the receivers that raised: only these are called again."""
    failure.unheard = "\n".join(receivers)
    update([failure], "unheard")


def announced(failure: Failure, now: datetime) -> None:
    failure.announced_at = now
    if getattr(_this_thread, "marks_together", False):
        with _lock:
            _announced.append((monotonic(), failure))
    else:
        update([failure], "announced_at")


@contextmanager
def marking_together() -> Iterator[None]:
    """Within, `announced` is written down later: all at the end in one commit, or by the next tick.

    That saves one commit in four in a storm. One alone is left to who finds nothing to do: a courier begins to send at
    this moment, and on SQLite would wait for the commit. If the process dies before, the receivers are called again.
    """
    _this_thread.marks_together = True
    try:
        yield
    finally:
        _this_thread.marks_together = False
        if len(_announced) > 1:
            write_marks()


def are_marked(seconds: float = 0.0) -> bool:
    """Whether an announcement is still to be written down, for so long at least."""
    first = next(iter(_announced), None)
    return first is not None and monotonic() - first[0] >= seconds


def write_marks() -> None:
    global _announced
    with _lock:
        marked, _announced = _announced, []
    try:
        update([failure for _, failure in marked], "announced_at")
    except AnyDatabaseError:
        with _lock:
            _announced += marked
        raise


def prune_tracebacks() -> int:
    """Delete a batch of the tracebacks that no failure refers to any more; how many."""
    used = Failure.objects.filter(traceback__isnull=False).values("traceback")
    idle = Traceback.objects.exclude(pk__in=used).values_list("pk", flat=True)[:_TRACEBACKS]
    # One at a time: for each the database looks through all failures, and on SQLite nobody can write meanwhile.
    return sum(_delete(sha256) for sha256 in list(idle))


def _delete(sha256: str) -> int:
    try:
        return Traceback.objects.filter(pk=sha256).delete()[0]
    except IntegrityError:
        return 0  # it has just come into use again
