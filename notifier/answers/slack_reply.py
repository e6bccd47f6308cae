"""Posts a private note to somebody in Slack: https://docs.slack.dev/interactivity/handling-user-interaction"""

from __future__ import annotations

from http.client import HTTPException
from urllib.parse import urlsplit

from alerts_runtime.redaction.loggers import get_logger
from notifier.answers.set_up import channels
from notifier.channels.blocks import escape

log = get_logger(__name__)

HOST = "hooks.slack.com"
TIMEOUT = 5.0  # seconds
LINES = 60


def send(url: str, text: str) -> bool:
    """Post a private note to where Slack said; False when that could not be done. Never raises."""
    from slack_sdk.errors import SlackRequestError

    from notifier.channels.slack_clients import HookClient

    if not _is_slacks(url):
        log.warning("slack.note_not_sent", reason="the address is not Slack's")
        return False
    lines = [escape(line) for line in text.split("\n")[:LINES]]
    note = {"response_type": "ephemeral", "replace_original": False, "text": "\n".join(lines)}
    try:
        answer = HookClient(url, TIMEOUT).send_dict(note)
    except (HTTPException, OSError, SlackRequestError, ValueError) as error:
        log.warning("slack.note_not_sent", reason=type(error).__name__)
        return False
    if answer.status_code != 200:
        log.warning("slack.note_not_sent", reason=f"HTTP {answer.status_code}")
    return answer.status_code == 200


def _is_slacks(url: str) -> bool:
    """Whether a URL is on Slack's host. The URL came in a request that Slack signed; nothing is posted elsewhere."""
    parts = urlsplit(url)
    if parts.scheme == "https" and parts.hostname == HOST:
        return True
    ours = {urlsplit(str(one.options.get("base_url", ""))).netloc for one in channels() if one.kind == "slack"}
    return parts.netloc in ours - {"", "slack.com"}
