"""Whether a request comes from Slack, and whether people may answer from that workspace and channel."""

from __future__ import annotations

from collections.abc import Iterable

from notifier.answers.set_up import channels
from notifier.answers.slack_asked import Asked
from notifier.judge.policy import ChannelConfig


def secrets() -> list[str]:
    """The signing secrets of the Slack apps of all channels."""
    return list(dict.fromkeys(filter(None, (str(one.options.get("signing_secret", "")) for one in _slack()))))


def is_enabled() -> bool:
    """Whether answers from Slack are set up, over HTTP or by Socket Mode."""
    return any(one.options.get("signing_secret") or one.options.get("app_token") for one in _slack())


def is_signed(body: bytes, timestamp: str, signature: str) -> bool:
    """Signed by Slack within the last five minutes.

    https://docs.slack.dev/authentication/verifying-requests-from-slack/
    """
    from slack_sdk.signature import SignatureVerifier

    # The library would raise for these.
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) < 12 and signature.isascii()):
        return False
    try:
        return any(SignatureVerifier(one).is_valid(body, timestamp, signature) for one in secrets())
    except UnicodeDecodeError:
        return False


def why_not(asked: Asked) -> str:
    """Why nobody may answer from there, in a sentence; "" when they may."""
    teams, places = _listed("teams"), _listed("channels")
    # A shared channel has people of other workspaces, whose user ids may equal those of ours.
    if (teams and asked.team not in teams) or asked.user_team not in (teams or {asked.team}):
        return "Alerts cannot be answered from this workspace."
    if places and not asked.home and asked.channel not in places:
        return "Alerts cannot be answered from this channel."
    return ""


def _listed(option: str) -> set[str]:
    """The ids that an option names: a list of them, or one text with commas."""
    found: set[str] = set()
    for channel in _slack():
        value = channel.options.get(option) or ""
        found |= {str(one) for one in value} if isinstance(value, list | tuple | set) else set(str(value).split(","))
    return {one.strip() for one in found if one.strip()}


def _slack() -> Iterable[ChannelConfig]:
    return [channel for channel in channels() if channel.kind == "slack"]
