"""Handlers of the project's own receiver, where it is installed beside dj-stripe."""

from __future__ import annotations

from tests.djstripe.site import models as site
from webhooks.events import StripeEvent
from webhooks.handlers import on


@on("invoice.will_be_due")
def handle(event: StripeEvent) -> None:
    for each in site.handle_ours:
        each(event)
