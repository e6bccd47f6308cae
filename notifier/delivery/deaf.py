"""Whether somebody hears the buttons in Slack, where only `manage.py slackbot` can."""

from __future__ import annotations

from datetime import datetime

from notifier import api
from notifier.alerts.arguments import LONGEST_RESOLVE_AFTER
from notifier.config.conf import get_policy
from notifier.flow import listeners
from notifier.models import Alert

KEY = "slackbot"


class Deaf:
    """Raises an alert while buttons in Slack reach nobody, because `manage.py slackbot` does not run."""

    def __init__(self) -> None:
        self._deaf_since: datetime | None = None  # as this process has seen it: a start takes a moment

    def look(self, now: datetime) -> None:
        slack = [one.options for one in get_policy().channels.values() if one.kind == "slack"]
        if not any(one.get("app_token") and not one.get("signing_secret") for one in slack):
            return
        last = listeners.last_beat()
        if last is not None and now - last < listeners.AGED:
            self._deaf_since = None
            if Alert.objects.filter(source=KEY, resolved_at__isnull=True).exists():
                api.resolve(KEY, "it runs again", now)
            return
        self._deaf_since = self._deaf_since or now
        if now - self._deaf_since < listeners.AGED:
            return
        api.alert(
            "Nobody hears the buttons in Slack: manage.py slackbot does not run, or Slack does not answer it",
            key=KEY,
            severity="error",
            category="worker",
            hint="Start `manage.py slackbot`; its log says what Slack answers. Until then answer by `manage.py ack`.",
            resolve_after=LONGEST_RESOLVE_AFTER,
            once=f"{last} {now:%Y%m%d%H}",  # many workers look
            now=now,
        )
