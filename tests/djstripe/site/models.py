"""Imported before any AppConfig.ready, as sites' receivers often are: connected ahead of the notifier's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.dispatch import receiver
from djstripe.event_handlers import djstripe_receiver
from djstripe.signals import webhook_post_process, webhook_processing_error

# What the tests put here is called.
handle: list[Callable[[Any], object]] = []
on_error: list[Callable[..., object]] = []
on_processed: list[Callable[..., object]] = []
handle_ours: list[Callable[[Any], object]] = []
TYPES = ["invoice.will_be_due", "invoice.overdue"]  # dj-stripe itself does nothing for these


@djstripe_receiver(TYPES)  # type: ignore[untyped-decorator]  # dj-stripe ships no types
def handle_event(sender: object, event: Any, **kwargs: Any) -> None:
    for each in handle:
        each(event)


@receiver(webhook_processing_error)
def call_on_error(sender: object, **kwargs: Any) -> None:
    for each in on_error:
        each(sender=sender, **kwargs)


@receiver(webhook_post_process)
def call_on_processed(sender: object, **kwargs: Any) -> None:
    for each in on_processed:
        each(sender=sender, **kwargs)
