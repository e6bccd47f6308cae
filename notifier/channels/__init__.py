"""The ways to reach people. A kind is a name for a dotted path; a site's own channel is named by its path."""

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

    Raises LookupError, in a sentence for people, when there is no such kind or the path is no channel.
    """
    path = KINDS.get(kind, kind)
    module, _, name = path.rpartition(".")
    if not module:
        raise LookupError(f"no channel is called {kind!r}; there are {', '.join(KINDS)}, or give a dotted path")
    try:
        found = getattr(import_module(module), name)
    except Exception as error:
        # Whatever a site's own module raises while it is imported is the same mistake of the settings.
        raise LookupError(f"{path!r} cannot be imported: {type(error).__name__}: {error}") from error
    if not (isinstance(found, type) and issubclass(found, Channel)):
        raise LookupError(f"{path!r} is not a subclass of notifier.channels.base.Channel")
    return found
