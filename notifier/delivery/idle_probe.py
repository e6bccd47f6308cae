"""Sends test messages to recipients that were set aside, to see whether they can be reached again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

from django.conf import settings

from alerts_runtime.isolation.threads import close_connections, daemon
from alerts_runtime.redaction.loggers import get_logger
from notifier.config.conf import get_policy
from notifier.delivery.probe import send_test
from notifier.facts import Recipient
from notifier.judge.policy import ChannelConfig
from notifier.models import Target as TargetRow
from notifier.oncall.present import policy_now
from notifier.outbox import set_aside

log = get_logger(__name__)

MESSAGES_FIRST = timedelta(minutes=1)  # time for a real message, which shows the same as a test


def try_dead(now: datetime, start: Callable[[str, Callable[[], None]], None] | None = None) -> None:
    """Send a test message to one recipient of each channel whose next try is due, each in a thread of its own.

    The pauses grow as those of messages do. Targets that a delivery report set aside get none: their provider accepts
    anything, so a test would show nothing.
    """
    channels = policy_now(now).channels
    due = TargetRow.objects.filter(dead_since__isnull=False, probe_at__lte=now - MESSAGES_FIRST).order_by("probe_at")
    tried: set[str] = set()
    for row in due:
        channel = channels.get(row.channel)
        target = next((one for one in channel.targets if one.key == row.key), None) if channel else None
        if channel is None or target is None or row.channel in tried or channel.unconfigured:
            continue
        if set_aside.was_reported(row):
            continue
        set_aside.begin_probe(row, now, costs=channel.costs)
        if row.probing:
            tried.add(row.channel)
            (start or _start)(f"probe-{row.channel}", partial(_try, channel, target))


def _try(channel: ChannelConfig, target: Recipient) -> None:
    outcome = send_test(channel, target, get_policy().tz, getattr(settings, "SITE_URL", ""))
    log.info("target.tried", channel=channel.alias, delivered=outcome.delivered)


def _start(name: str, run: Callable[[], None]) -> None:
    def run_and_close() -> None:
        try:
            run()
        except Exception:  # it is tried again after its pause
            log.exception("target.not_tried")
        finally:
            close_connections()

    daemon(name, run_and_close).start()
