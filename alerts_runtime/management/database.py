"""What every command that needs the database says when it cannot have it."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError
from django.db import DatabaseError, InterfaceError, connection
from django.db.migrations.executor import MigrationExecutor

from alerts_runtime.leasing import clock
from alerts_runtime.management.command import PlainCommand
from alerts_runtime.redaction.redact import redact


class DatabaseCommand(PlainCommand):
    """A command whose database is missing, or not migrated, ends with a sentence that says what mends it.

    What it writes is due by the database's clock, as everything is.
    """

    def execute(self, *args: Any, **options: Any) -> str | None:
        try:
            clock.measure()
            return super().execute(*args, **options)
        except (DatabaseError, InterfaceError) as error:
            raise CommandError(why_not(error)) from error


def why_not(error: Exception) -> str:
    """What to say of an error that the database raised."""
    try:
        missing = missing_migrations()
    except (DatabaseError, InterfaceError):
        missing = []
    return not_migrated(missing) if missing else f"The database cannot be used: {redact(str(error)).strip()}"


def missing_migrations() -> list[str]:
    """Those that have not been applied, as app.name."""
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [f"{migration.app_label}.{migration.name}" for migration, _ in plan]


def not_migrated(missing: list[str]) -> str:
    number = f"{len(missing)} migrations have" if len(missing) > 1 else "A migration has"
    return f"{number} not been applied, the first is {missing[0]}. Run `manage.py migrate`, then try again."
