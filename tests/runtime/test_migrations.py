"""Two versions run side by side during a deploy: what a migration changes, the one before it must be able to bear."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import migrations, models
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation

OURS = ("swa_runtime", "swa_webhooks", "swa_notifier")
# The version before knows nothing of these, and does its work all the same.
HARMLESS = (
    migrations.CreateModel,
    migrations.AddIndex,
    migrations.RemoveIndex,
    migrations.RenameIndex,
    migrations.AlterModelOptions,
    migrations.AlterModelManagers,
)


# The database changes nothing for these, and what is written anew the version before reads as any other value.
WORDS = {"choices", "help_text", "verbose_name"}


def is_wider(before: models.Field[Any, Any] | None, after: models.Field[Any, Any]) -> bool:
    """Whether all that fitted before still fits."""
    if before is None or type(before) is not type(after):
        return False
    old, new = (
        {name: value for name, value in field.deconstruct()[3].items() if name not in WORDS}
        for field in (before, after)
    )
    return old.pop("max_length", 0) <= new.pop("max_length", 0) and old == new


def objections(operation: Operation, before: models.Field[Any, Any] | None = None) -> Iterator[str]:
    """Why the version before this migration would fail beside it, and what to write instead.

    `before` is the field that is altered, as it was.
    """
    if isinstance(operation, migrations.AlterField) and is_wider(before, operation.field):
        return
    if isinstance(operation, migrations.AddField):
        field = operation.field
        if not (field.null or field.many_to_many or field.db_default is not models.NOT_PROVIDED):
            yield (
                f"{operation.model_name}.{operation.name}: the version before leaves it out of its INSERTs. "
                "Give it null=True or db_default=..."
            )
    elif not isinstance(operation, HARMLESS):
        yield (
            f"{operation.describe()}: the version before may not bear that. Add what is new beside what is old, use "
            "it in this version, and remove what is old in the next, when no process uses it."
        )


def later_operations() -> Iterator[tuple[str, Operation, models.Field[Any, Any] | None]]:
    loader = MigrationLoader(None)
    for (app, name), migration in sorted(loader.disk_migrations.items()):
        if app in OURS and not migration.initial and not name.startswith("0001_"):
            state = loader.project_state((app, name), at_end=False)
            for operation in migration.operations:
                before = None
                if isinstance(operation, migrations.AlterField):
                    before = state.models[app, operation.model_name.lower()].fields[operation.name]
                yield f"{app}.{name}", operation, before


def test_what_a_migration_changes_the_version_before_it_can_bear() -> None:
    found = [
        f"{where}: {why}" for where, operation, before in later_operations() for why in objections(operation, before)
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("operation", "fine"),
    [
        (migrations.AddField("alert", "note", models.TextField(null=True)), True),
        (migrations.AddField("alert", "note", models.TextField(db_default="")), True),
        (migrations.AddField("alert", "note", models.TextField(default="")), False),
        (migrations.RemoveField("alert", "note"), False),
        (migrations.RenameField("alert", "note", "remark"), False),
        (migrations.AlterField("alert", "note", models.CharField(max_length=3)), False),
        (migrations.RunSQL("DROP TABLE x"), False),
        (migrations.AddIndex("alert", models.Index(fields=["count"], name="x")), True),
        (migrations.CreateModel("Note", []), True),
    ],
)
def test_the_rule(operation: Operation, fine: bool) -> None:
    assert (not list(objections(operation))) == fine


@pytest.mark.parametrize(
    ("before", "after", "fine"),
    [
        (models.CharField(max_length=64), models.CharField(max_length=100), True),
        (
            models.CharField(max_length=64, choices=[("a", "a")]),
            models.CharField(max_length=64, choices=[("a", "a"), ("b", "b")]),
            True,
        ),
        (models.CharField(max_length=64), models.CharField(max_length=63), False),
        (models.CharField(max_length=64), models.CharField(max_length=64, unique=True), False),
        (models.CharField(max_length=64), models.TextField(), False),
        (models.TextField(null=True), models.TextField(), False),
    ],
)
def test_a_field_may_only_become_wider(
    before: models.Field[Any, Any], after: models.Field[Any, Any], fine: bool
) -> None:
    assert (not list(objections(migrations.AlterField("alert", "note", after), before))) == fine
