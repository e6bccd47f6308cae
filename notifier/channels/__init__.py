"""The ways to reach people. BACKEND in CHANNELS is a key of KINDS, or the dotted path of a site's own class."""

from __future__ import annotations

from importlib import import_module

from notifier.channels.base import Channel

KINDS: dict[str, str] = {
    "slack": "notifier.channels.slack.Slack",
    "slack_webhook": "notifier.channels.slack_webhook.SlackWebhook",
    "sms": "notifier.channels.sms.Sms",
    "voice": "notifier.channels.voice.Voice",
    "email": "notifier.channels.email.Email",
    "console": "notifier.channels.console.Console",
    "memory": "notifier.channels.memory.Memory",
}


def load(kind: str) -> type[Channel]:
    """The class of a kind, or of a dotted path. Imports no provider's library.

    Raises LookupError, in a sentence for people, when there is no such kind, or no subclass of Channel at the path.
    """
    path = KINDS.get(kind, kind)
    module, _, name = path.rpartition(".")
    if not module:
        raise LookupError(f"no channel is called {kind!r}; there are {', '.join(KINDS)}, or give a dotted path")
    try:
        found = getattr(import_module(module), name)
    except Exception as error:
        # Whatever the site's module raises when it is imported, for the settings it is one mistake.
        raise LookupError(f"{path!r} cannot be imported: {type(error).__name__}: {error}") from error
    if not (isinstance(found, type) and issubclass(found, Channel)):
        raise LookupError(f"{path!r} is not a subclass of notifier.channels.base.Channel")
    return found
