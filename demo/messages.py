"""Shows what has been delivered, in the order Slack, SMS, email: as printed by a console twin, or as sent."""

from __future__ import annotations

import queue

from alerts_runtime.redaction.masking import masked
from demo.fold import folded
from demo.screen import Screen
from demo.site import BrokenPromiseError, Site
from notifier.config.conf import get_policy
from notifier.facts import Result
from notifier.models import Attempt


def twins() -> list[str]:
    """The channels that print instead of sending, and why."""
    return [
        f"{channel.alias} ({', '.join(channel.missing) or 'recipients'} not set)"
        for channel in get_policy().channels.values()
        if channel.backend != channel.kind
    ]


class Messages:
    """Remembers what has been shown."""

    def __init__(self, site: Site, screen: Screen) -> None:
        self._site, self._screen = site, screen
        self._shown: set[int] = set()

    def show_new(self) -> None:
        new = Attempt.objects.filter(result=Result.DELIVERED).exclude(pk__in=self._shown).select_related("target")
        order = list(get_policy().channels)
        for attempt in sorted(new, key=lambda one: (order.index(one.target.channel), one.pk)):
            self._show(attempt)
            self._shown.add(attempt.pk)

    def _show(self, attempt: Attempt) -> None:
        target = attempt.target
        channel = get_policy().channels[target.channel]
        if channel.backend == channel.kind:
            title = f"{channel.kind} to {masked(target.address)}, sent as {attempt.provider_id or attempt.reference}"
            self._screen.sent(title, folded(attempt.text.splitlines()))
            return
        try:
            self._screen.printed(folded(self._site.relay.next(channel.kind)))
        except queue.Empty:
            raise BrokenPromiseError(f"a message on {channel.alias} is marked delivered and was not printed") from None
