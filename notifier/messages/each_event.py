"""Sums in which an event counts once, however often it failed: only its last failure is counted.

It is one query with a window function. A join of each event with its last failure would need good statistics for a
good plan, which the database lacks during a storm (measured on PostgreSQL: a minute for 20,000 rows, against 30 ms).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from django.db import connections
from django.db.models import Case, F, QuerySet, When, Window
from django.db.models.functions import RowNumber

from notifier.facts import Money
from notifier.judge.money import add
from notifier.models import Occurrence

# A failure without an event counts by itself.
_SUBJECT = Case(When(event_id="", then=F("key")), default=F("event_id"))
_COLUMNS = ("id", "alert_id", "event_id", "currency", "dead", "recovered_how", "recovered_at", "amount")
_PART = 1_000_000
_GROUPS = "alert_id, currency, dead, recovered_how, recovered_at IS NULL"


class Group(NamedTuple):
    """Events of one alert with the same currency and state."""

    alert: int
    currency: str
    dead: bool
    recovered_how: str
    waiting: bool  # not recovered
    events: int  # 0 for failures that are about no event
    amount: int | None
    unknown: int = 0  # events whose amount is unknown


def groups(occurrences: QuerySet[Occurrence]) -> list[Group]:
    """Group the events of these failures. One that failed in several alerts is in the one in which it failed last."""
    events = "COUNT(CASE WHEN event_id <> '' THEN 1 END)"
    # In two parts: SQLite raises when a sum takes more than 64 bits, and one odd amount must not stop a message.
    sums = f"SUM(amount / {_PART}), SUM(amount - amount / {_PART} * {_PART})"
    unknown = "COUNT(CASE WHEN currency <> '' AND amount IS NULL THEN 1 END)"
    rows = _select(occurrences, f"{_GROUPS}, {events}, {sums}, {unknown}", f"GROUP BY {_GROUPS}")
    return [
        Group(
            alert,
            currency,
            bool(dead),
            how,
            bool(waiting),
            number,
            None if high is None else _PART * int(high) + int(low),
            number_unknown,
        )
        for alert, currency, dead, how, waiting, number, high, low, number_unknown in rows
    ]


def of_one(only: Occurrence) -> Group:
    """The same for a single failure, without a query."""
    return Group(
        only.alert_id,
        only.currency,
        only.dead,
        only.recovered_how,
        only.recovered_at is None,
        int(bool(only.event_id)),
        only.amount,
        int(bool(only.currency) and only.amount is None),
    )


def newest_dead(occurrences: QuerySet[Occurrence], most: int) -> tuple[str, ...]:
    """The ids of the events that are no longer retried, the newest first."""
    dead = "AND dead AND recovered_at IS NULL AND event_id <> ''"
    return tuple(event for (event,) in _select(occurrences, "event_id", f"{dead} ORDER BY id DESC LIMIT {most:d}"))


def money(found: Iterable[Group]) -> tuple[Money, ...]:
    """The money of these groups, by currency."""
    return add(Money(group.amount, group.currency) for group in found if group.currency and group.amount)


def _select(occurrences: QuerySet[Occurrence], what: str, rest: str) -> list[tuple[Any, ...]]:
    place = Window(RowNumber(), partition_by=_SUBJECT, order_by=F("pk").desc())
    inner, parameters = occurrences.order_by().annotate(place=place).values(*_COLUMNS, "place").query.sql_with_params()
    # SQL, as the ORM cannot group rows that a window has chosen. `what` and `rest` are texts of this module.
    sql = f"SELECT {what} FROM ({inner}) AS each_event WHERE place = 1 {rest}"  # noqa: S608 - as said above
    with connections[occurrences.db].cursor() as cursor:
        cursor.execute(sql, parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows
