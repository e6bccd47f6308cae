"""`manage.py slackbot`: hear buttons and /alerts without a public address."""

from __future__ import annotations

import os
import signal
import socket
import threading
from typing import Any

from django.core.management.base import CommandError

from alerts_runtime.management.database import DatabaseCommand
from notifier.answers.set_up import channels
from notifier.answers.slackbot import CONNECTIONS, Bot


class Command(DatabaseCommand):
    help = "Hear buttons and /alerts in Slack by Socket Mode, until SIGTERM or Ctrl+C. A worker does what is asked."
    examples = ("",)

    def handle(self, **_options: Any) -> None:
        from slack_sdk.errors import SlackApiError

        found = [one.options for one in channels() if one.kind == "slack" and one.options.get("app_token")]
        if not found:
            raise CommandError(
                "SLACK_APP_TOKEN is not set. Create an app-level token with the scope connections:write, in the Slack "
                "app under Basic Information."
            )
        name, stop = f"{socket.gethostname()}:{os.getpid()}", threading.Event()
        bot = Bot(str(found[0]["app_token"]), str(found[0].get("base_url", "")), name)

        def connected() -> None:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: stop.set())
            self.stdout.write(f"connected {CONNECTIONS} times; hearing")

        try:
            bot.run(stop, on_connected=connected)
        except SlackApiError as error:
            code = str(error.response.get("error", ""))
            raise CommandError(f"Slack does not accept SLACK_APP_TOKEN ({code}): {_hint(code)}") from None
        except OSError as error:
            raise CommandError(
                f"Slack cannot be reached ({type(error).__name__}): check this machine's connection."
            ) from None


def _hint(code: str) -> str:
    if code == "missing_scope":
        return "it lacks the scope connections:write"
    return "it must be an app-level token (xapp-...), and Socket Mode has to be on in the app's settings"
