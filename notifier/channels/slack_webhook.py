"""Slack by the URL of an incoming webhook: a new message each time, since it can neither edit nor post in threads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from notifier.channels import blocks, failures
from notifier.channels.base import Channel, wrong_url
from notifier.channels.slack_errors import as_outcomes
from notifier.facts import DeliveryError, Message, Receipt, Result
from notifier.judge import throttle

if TYPE_CHECKING:
    from slack_sdk.webhook import WebhookResponse

    from notifier.channels.slack_clients import HookClient

# Words in the body of the answer, whatever its status, after which the webhook will not work again.
# https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks#handling_errors
DEAD: dict[str, str] = {
    "action_prohibited": "the workspace does not let the webhook post there",
    "channel_is_archived": "the channel is archived",
    "channel_not_found": "the channel is gone",
    "invalid_token": "the webhook's URL is not valid, or whoever made it has left",
    "no_active_hooks": "the webhook was removed",
    "no_service": "the webhook was removed",
    "no_service_id": "the webhook's URL is not complete",
    "no_team": "the webhook's URL is not complete",
    "team_disabled": "the workspace is closed",
    "user_not_found": "the member is gone",
}
CONTENT = frozenset({"invalid_payload", "invalid_blocks", "invalid_blocks_format", "no_text", "msg_too_long"})


class SlackWebhook(Channel):
    """Posts to one channel, chosen when the webhook was made. The address is only a name for it."""

    kind = "slack_webhook"
    wants_html = False
    can_fold = True
    HANDFUL = throttle.HANDFUL
    RATES = throttle.SLACK
    address_is_a_name = True
    SETTINGS: ClassVar[Mapping[str, str]] = {"url": "SLACK_WEBHOOK_URL"}
    REQUIRED = frozenset({"url"})
    SECRETS = frozenset({"url"})
    WAITS = 2  # a post, and once more as plain text

    @classmethod
    def wrong_options(cls, options: Mapping[str, object]) -> Iterator[tuple[str, str, str]]:
        if str(options.get("url", "")).startswith("xox"):
            yield "url", "is a token, not the URL of an incoming webhook", "Set SLACK_BOT_TOKEN to it instead."
        else:
            yield from wrong_url("url", options.get("url"))

    @staticmethod
    def check_address(address: str) -> str | None:
        if "://" in address:
            return "a webhook's URL is a secret: set SLACK_WEBHOOK_URL to it, and give the channel's name as address"
        return Channel.check_address(address)

    def send(self, address: str, message: Message) -> Receipt:
        refused = self._post(text=blocks.notification(message), blocks=blocks.card(message))
        if refused and refused.code in CONTENT:
            refused = self._post(text=blocks.brief(message))
        if refused:
            raise refused
        return Receipt()

    def _post(self, **body: Any) -> DeliveryError | None:
        body |= {"mrkdwn": False, "parse": "none", "unfurl_links": False, "unfurl_media": False}
        with as_outcomes("the webhook's URL"):
            return _refusal(self._client.send_dict(body))

    @cached_property
    def _client(self) -> HookClient:
        from notifier.channels.slack_clients import HookClient

        return HookClient(self.option("url"), self.timeout)


def _refusal(answer: WebhookResponse) -> DeliveryError | None:
    status, word = answer.status_code, answer.body.strip()
    if status == 200:
        if word == "ok":
            return None
        return DeliveryError(Result.RETRY, "unreadable_answer", "the answer is not from Slack")
    if status == 429 or status >= 500:
        return failures.by_status(status, answer.headers, "Slack is busy or failing")
    if word in DEAD or status in (404, 410):
        words = DEAD.get(word, "there is no such webhook")
        return DeliveryError(Result.REJECTED, word if word in DEAD else f"http_{status}", words, channel_dead=True)
    if word in CONTENT:
        return DeliveryError(
            Result.REJECTED, word, "Slack does not accept the message's content, nor a short plain text"
        )
    return failures.by_status(status, answer.headers, "Slack refused the message")
