"""SQL that is built once for each model and kept: the ORM takes longer to build it than the database to run it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from django.db import connection
from django.db.models import Model


@cache
def insert(model: type[Model]) -> str:
    """Takes a value for each of `fields` and returns the key."""
    names = ", ".join(connection.ops.quote_name(field.column) for field in fields(model))
    places = ", ".join(["%s"] * len(fields(model)))
    return f"INSERT INTO {table(model)} ({names}) VALUES ({places}) RETURNING id"  # noqa: S608 - the model's own names


def create(row: Model) -> None:
    """Insert a new row and give it its key."""
    model = type(row)
    with connection.cursor() as cursor:
        cursor.execute(
            insert(model), [field.get_db_prep_save(getattr(row, field.attname), connection) for field in fields(model)]
        )
        (row.pk,) = cursor.fetchone()
    row._state.adding, row._state.db = False, connection.alias


def update(rows: Sequence[Model], *names: str) -> None:
    """Write these fields of each row. PostgreSQL gets them all in one go."""
    if not rows:
        return
    model = type(rows[0])
    written = [model._meta.get_field(name) for name in names]
    with connection.cursor() as cursor:
        cursor.executemany(
            _update(model, names),
            [
                [*(field.get_db_prep_save(getattr(row, field.attname), connection) for field in written), row.pk]  # type: ignore[union-attr]  # a column
                for row in rows
            ],
        )


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
