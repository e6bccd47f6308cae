"""Every text that comes from outside fits every column in which it is kept, as `check` and the readers allow it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db.models import Model
from pydantic import TypeAdapter, ValidationError

from alerts_runtime.stripe_data import event
from notifier import facts, models
from notifier.alerts import arguments
from notifier.config import destinations, fields
from webhooks import checks
from webhooks import models as webhooks
from webhooks.process import errors


def longest(pattern: re.Pattern[str]) -> int:
    """The length that a pattern of one repeated class allows."""
    found = re.search(r"\{\d+,(\d+)\}\Z", pattern.pattern)
    assert found
    return int(found[1])


def column(model: type[Model], name: str) -> int:
    length = model._meta.get_field(name).max_length  # type: ignore[union-attr]  # a column
    assert length
    return int(length)


NAME, CONTEXT, ENDPOINT = longest(event._NAME), longest(event._CONTEXT), longest(checks._SLUG)
ALIAS = 1 + longest(fields._ALIAS)
ROUTE = 100  # fields.Name
KEPT: list[tuple[str, int, list[tuple[type[Model], str]]]] = [
    (
        "an endpoint's name",
        ENDPOINT,
        [(webhooks.WebhookEvent, "endpoint"), (webhooks.Refusal, "endpoint"), (models.Alert, "endpoint")],
    ),
    (
        "an event's id",
        NAME,
        [(webhooks.WebhookEvent, "event_id"), (models.Occurrence, "event_id")],
    ),
    (
        "an event's type",
        NAME,
        [(webhooks.WebhookEvent, "type"), (models.Alert, "event_type"), (models.Occurrence, "event_type")],
    ),
    ("an account", CONTEXT, [(webhooks.WebhookEvent, "account"), (models.Alert, "account")]),
    ("an object's id", NAME, [(models.Occurrence, "object_id"), (models.Occurrence, "customer")]),
    ("the key of alert()", arguments.MAX_SOURCE, [(models.Alert, "source")]),
    ("an occurrence's key", len(arguments.occurrence_key("k", True, "once")), [(models.Occurrence, "key")]),
    ("a channel's name", ALIAS, [(models.Target, "channel")]),
    ("an address", destinations.MAX_ADDRESS, [(models.Target, "address")]),
    ("a target's key", ALIAS + 1 + destinations.MAX_ADDRESS, [(models.Target, "key")]),
    (
        "the name of a route, rule or digest",
        ROUTE,
        [(models.Notification, "route"), (models.Alert, "rule"), (models.Digest, "name")],
    ),
    ("a provider's id of a message", facts.PROVIDER_ID, [(models.Attempt, "provider_id")]),
    ("a channel's handle of a message", facts.HANDLE, [(models.Notification, "thread")]),
    ("a provider's code", facts.CODE, [(models.Attempt, "code"), (models.Attempt, "receipt_code")]),
    ("a message's reference", facts.REFERENCE, [(models.Attempt, "reference")]),
    ("a user's name", column(User, "username"), [(models.Alert, "acknowledged_by"), (models.Silence, "author")]),
]


@pytest.mark.parametrize(
    ("what", "length", "model", "name"),
    [(what, length, model, name) for what, length, columns in KEPT for model, name in columns],
    ids=lambda value: value.__name__ if isinstance(value, type) else str(value),
)
def test_it_fits_its_column(what: str, length: int, model: type[Model], name: str) -> None:
    assert length <= column(model, name), what


def test_two_apps_keep_one_thing_in_columns_of_one_length() -> None:
    """What one of them could store and the other not would be a failure without an alert."""
    pairs: list[tuple[Any, Any]] = [
        ((webhooks.WebhookEvent, "endpoint"), (models.Alert, "endpoint")),
        ((webhooks.WebhookEvent, "account"), (models.Alert, "account")),
        ((webhooks.WebhookEvent, "type"), (models.Alert, "event_type")),
        ((webhooks.WebhookEvent, "type"), (models.Occurrence, "event_type")),
        ((webhooks.WebhookEvent, "event_id"), (models.Occurrence, "event_id")),
    ]
    for ours, theirs in pairs:
        assert column(*ours) == column(*theirs), (ours, theirs)


def test_a_name_in_the_settings_is_no_longer_than_its_columns() -> None:
    names: TypeAdapter[str] = TypeAdapter(fields.Name)
    assert names.validate_python("x" * ROUTE)
    with pytest.raises(ValidationError, match="at most 100"):
        names.validate_python("x" * (ROUTE + 1))


def test_a_class_of_any_length_is_cut() -> None:
    error = type("E" * 999, (Exception,), {"__module__": "m" * 999})
    assert len(errors.class_path(error)) <= column(webhooks.Failure, "exception")
