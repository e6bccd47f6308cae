"""SQL that is built once for each model and kept: the ORM takes longer to build it than the database to run it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from functools import cache
from itertools import count
from typing import Any

from django.db import connection
from django.db.backends.utils import CursorWrapper
from django.db.models import Model

_keys: ContextVar[Iterator[int] | None] = ContextVar("keys", default=None)


@contextmanager
def keys_of_our_own() -> Iterator[None]:
    """Within, the keys of new rows are 0, -1, -2, … For what is rolled back: PostgreSQL takes no number back."""
    before = _keys.set(count(0, -1))
    try:
        yield
    finally:
        _keys.reset(before)


@cache
def insert(model: type[Model], rows: int, *, with_keys: bool = False) -> str:
    """An INSERT of so many rows, with a placeholder for each of `fields`, and one for the key before them if asked for.

    The caller adds RETURNING if it needs that.
    """
    columns = ["id"] * with_keys + [field.column for field in fields(model)]
    names = ", ".join(map(connection.ops.quote_name, columns))
    row = f"({', '.join(['%s'] * len(columns))})"
    return f"INSERT INTO {table(model)} ({names}) VALUES {', '.join([row] * rows)}"  # noqa: S608 - the model's own names


def create(*rows: Model, also: str = "NULL") -> list[Any]:
    """Insert new rows of one model and give them their keys; what the SQL `also` says of each."""
    if not rows:
        return []
    model, keys = type(rows[0]), _keys.get()
    with connection.cursor() as cursor:
        cursor.execute(
            f"{insert(model, len(rows), with_keys=keys is not None)} RETURNING id, {also}",
            [value for row in rows for value in ([] if keys is None else [next(keys)]) + _values(row)],
        )
        found = cursor.fetchall()
    for row, (key, _) in zip(rows, found, strict=True):
        row.pk = key
        row._state.adding, row._state.db = False, connection.alias
    return [one for _, one in found]


def _values(row: Model) -> list[Any]:
    return [field.get_db_prep_save(getattr(row, field.attname), connection) for field in fields(type(row))]


def update(rows: Sequence[Model], *names: str) -> None:
    """Write these fields of each row. PostgreSQL gets them all in one go."""
    if not rows:
        return
    model = type(rows[0])
    written = [model._meta.get_field(name) for name in names]
    values = [
        [*(field.get_db_prep_save(getattr(row, field.attname), connection) for field in written), row.pk]  # type: ignore[union-attr]  # a column
        for row in rows
    ]
    with connection.cursor() as cursor:
        for_each(cursor, _update(model, names), values)


def for_each(cursor: CursorWrapper, sql: str, values: Sequence[Sequence[Any]]) -> int:
    """Run SQL with each of these, on PostgreSQL in one go; how many rows it concerned."""
    if len(values) == 1:
        cursor.execute(sql, values[0])  # psycopg makes more of executemany than one is worth
    elif values:
        cursor.executemany(sql, values)
    return cursor.rowcount if values else 0


def places(number: int) -> str:
    """For so many values in an IN (...)."""
    return ", ".join(["%s"] * number)


def column(model: type[Model], name: str, sql: str) -> list[Any]:
    """The values of one field that SQL gives."""
    converters = _converters(model, name, connection.vendor)
    with connection.cursor() as cursor:
        cursor.execute(sql)
        values = [value for (value,) in cursor.fetchall()]
    for converter, expression in converters:
        values = [converter(value, expression, connection) for value in values]
    return values


def select(models: Sequence[type[Model]], sql: str, parameters: Any) -> list[tuple[Any, ...]]:
    """The rows of a SELECT that begins with the `columns` of these models: an instance of each, then what follows."""
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        rows = cursor.fetchall()
    for model in models:
        names, converters = _readers(model, connection.vendor)
        rows = [(*row[len(names) :], _instance(model, names, converters, row)) for row in rows]
    extras = len(rows[0]) - len(models) if rows else 0
    return [(*row[extras:], *row[:extras]) for row in rows]


def _instance(model: type[Model], names: list[str], converters: Iterable[tuple[int, Any, Any]], row: Any) -> Model:
    values = list(row[: len(names)])
    for place, converter, expression in converters:
        values[place] = converter(values[place], expression, connection)
    return model.from_db(connection.alias, names, values)


@cache
def columns(model: type[Model], known_as: str = "") -> str:
    """A model's columns for a SELECT, each by its name: with `*`, a migration that adds one would break statements that
    the server has prepared.
    """
    fields: tuple[Any, ...] = model._meta.concrete_fields
    return ", ".join(f"{known_as or table(model)}.{connection.ops.quote_name(field.column)}" for field in fields)


@cache
def _readers(model: type[Model], _vendor: str) -> tuple[list[str], list[tuple[int, Any, Any]]]:
    """The names of a model's columns, and what turns the database's values into Python's."""
    found: list[Any] = list(model._meta.concrete_fields)
    converters = [
        (place, *converter)
        for place, field in enumerate(found)
        for converter in _converters(model, field.name, connection.vendor)
    ]
    return [field.attname for field in found], converters


@cache
def _converters(model: type[Model], name: str, _vendor: str) -> list[tuple[Any, Any]]:
    """What turns the database's values of a field into Python's."""
    found: Any = model._meta.get_field(name)
    expression = found.get_col(model._meta.db_table)
    every = (*connection.ops.get_db_converters(expression), *expression.get_db_converters(connection))
    return [(converter, expression) for converter in every]


def moment(at: datetime) -> Any:
    """A time as the database takes it."""
    return connection.ops.adapt_datetimefield_value(at)


def prepared(model: type[Model], values: dict[str, Any]) -> dict[str, Any]:
    """The values as the database takes them."""
    return {name: model._meta.get_field(name).get_db_prep_save(value, connection) for name, value in values.items()}  # type: ignore[union-attr]  # a column


@cache
def fields(model: type[Model]) -> tuple[Any, ...]:
    """A model's columns but its key, which the database gives."""
    return tuple(field for field in model._meta.concrete_fields if not field.primary_key)


def table(model: type[Model]) -> str:
    return connection.ops.quote_name(model._meta.db_table)


@cache
def _update(model: type[Model], names: tuple[str, ...]) -> str:
    columns = (str(model._meta.get_field(name).column) for name in names)  # type: ignore[union-attr]  # a column
    changes = ", ".join(f"{connection.ops.quote_name(column)} = %s" for column in columns)
    return f"UPDATE {table(model)} SET {changes} WHERE id = %s"  # noqa: S608 - the model's own names
