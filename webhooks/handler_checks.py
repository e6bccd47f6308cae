"""`manage.py check`: handlers for event types that do not exist, and handlers that cannot take an event."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from django.core.checks import CheckMessage, Error, register
from django.core.checks import Warning as CheckWarning

from alerts_runtime import event_types
from webhooks.handlers import Handler, registered


@register()
def check_handlers(**_: Any) -> list[CheckMessage]:
    return [message for handler in registered() for message in (*_types(handler), *_parameters(handler))]


def _types(handler: Handler) -> Iterator[CheckMessage]:
    for pattern in handler.patterns:
        if hint := event_types.doubt(pattern):
            yield CheckWarning(
                f"{handler.name}: @on({pattern!r}) names no event type that Stripe has.", hint=hint, id="webhooks.W009"
            )


def _parameters(handler: Handler) -> Iterator[CheckMessage]:
    try:
        signature = inspect.signature(handler.function)
    except (TypeError, ValueError):  # of some callables written in C nothing is known
        return
    try:
        signature.bind(object())
    except TypeError:
        yield Error(
            f"{handler.name}{signature} cannot be called with one argument, the event: every event would fail.",
            hint="Write it as `def handle(event): ...`.",
            id="webhooks.E010",
        )
