"""Slack with a bot's token: one message per alert, edited in place, with details and news in its thread."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from notifier.channels import blocks
from notifier.channels.base import Channel, wrong_url
from notifier.channels.slack_errors import CONTENT, as_outcomes
from notifier.facts import DeliveryError, Message, Reason, Receipt, Result
from notifier.judge import throttle

if TYPE_CHECKING:
    from slack_sdk.web import SlackResponse

    from notifier.channels.slack_clients import BotClient

# News that is shown in the channel as well as in the thread.
BROADCAST = frozenset({Reason.RAISED, Reason.REPEAT, Reason.REOPENED, Reason.ESCALATED})
FOLLOW_UPS = BROADCAST | {Reason.UPDATE, Reason.ANSWERED, Reason.RESOLVED}
EVENT_TYPE = "stripe_alert"
OF_A_BOT, OF_AN_APP = "xoxb-", "xapp-"
OTHER_TOKENS = {
    "xoxp-": "a user's token",
    "xapp-": "an app-level token",
    "xoxe": "a refresh token, or one that rotates",
    "https://": "the URL of an incoming webhook: set SLACK_WEBHOOK_URL to it instead",
}
HISTORY = 200  # messages among which one is looked for whose outcome is not known


class Thread(NamedTuple):
    channel: str  # the id: chat.update takes no name
    ts: str


class Slack(Channel):
    """Posts as a bot. Needs the scope chat:write; with channels:history it can find a message again."""

    kind = "slack"
    wants_html = False
    SETTINGS: ClassVar[Mapping[str, str]] = {
        "token": "SLACK_BOT_TOKEN",
        "base_url": "SLACK_API_URL",
        "signing_secret": "SLACK_SIGNING_SECRET",
        "app_token": "SLACK_APP_TOKEN",
    }
    # The ids of workspaces and channels from which people may answer; without them, wherever the app is installed.
    OPTIONS = Channel.OPTIONS | {"teams", "channels"}
    REQUIRED = frozenset({"token"})
    SECRETS = frozenset({"token", "signing_secret", "app_token"})
    WAITS = 4  # an edit and a post, each once more: as plain text, or the post as a new message with its details
    RATES = throttle.SLACK
    EXAMPLE = 'Write "#payments", or an id such as "C0123ABCD".'
    RECIPIENTS = "SLACK_CHANNEL"
    can_edit = True
    can_find = True
    can_fold = True
    HANDFUL = throttle.HANDFUL

    def __init__(self, options: Mapping[str, object]) -> None:
        super().__init__(options)
        self._ids: dict[str, str] = {}  # the channel's id by the name it was posted to
        # Buttons need a way back: signed requests over HTTP, or Socket Mode.
        self._buttons = bool(self.option("signing_secret") or self.option("app_token"))

    @classmethod
    def wrong_options(cls, options: Mapping[str, object]) -> Iterator[tuple[str, str, str]]:
        """https://docs.slack.dev/authentication/tokens"""
        token = str(options.get("token", ""))
        kind = next((words for prefix, words in OTHER_TOKENS.items() if token.startswith(prefix)), "")
        if kind or (token and not token.startswith(OF_A_BOT)):
            yield "token", f"is {kind or 'not the token of a Slack bot'}", f"A bot's token begins with {OF_A_BOT}."
        app_token = str(options.get("app_token", ""))
        if app_token and not app_token.startswith(OF_AN_APP):
            yield (
                "app_token",
                "is not an app-level token",
                f"One begins with {OF_AN_APP} and has the scope connections:write.",
            )
        yield from wrong_url("base_url", options.get("base_url"))

    @staticmethod
    def check_address(address: str) -> str | None:
        if re.fullmatch(r"[CGDUW][A-Z0-9]{6,}", address):
            return None
        if not address.startswith("#"):
            return f"{address!r} is neither a channel (#payments) nor an id (C0123ABCD, or U0123ABCD for a member)"
        if not re.fullmatch(r"#[^\s#@,.<>!]{1,80}", address) or address != address.lower():
            return f"{address!r} is not a channel's name: lower case, no spaces, at most 80 characters"
        return None

    def send(self, address: str, message: Message) -> Receipt:
        thread = _thread_of(message)
        if thread and (receipt := self._follow_up(thread, message)):
            return receipt
        posted = self._post({"channel": address}, message, blocks.card(message, buttons=self._buttons))
        thread = Thread(_word(posted.get("channel")), _word(posted.get("ts")))
        if thread.channel:
            self._ids[address] = thread.channel
        if not all(thread):
            return Receipt(provider_id=thread.ts)
        return Receipt(provider_id=thread.ts, thread=json.dumps(thread._asdict()), note=self._details(thread, message))

    def _details(self, thread: Thread, message: Message) -> str:
        """Post the traceback below; why that could not be done. The alert has arrived by then, whatever comes of it."""
        if not message.detail:
            return ""
        place = {"channel": thread.channel, "thread_ts": thread.ts, "unfurl_links": False, "unfurl_media": False}
        try:
            self._ask(self._client.chat_postMessage, **place, text="Details", blocks=blocks.details(message))
        except DeliveryError as error:
            return f"its details could not be posted below: {error.code}"
        return ""

    def search(self, address: str, reference: str, since: datetime, thread: str) -> Receipt | None:
        """Look in the channel's history. Of news in a thread that has only what was shown in the channel too."""
        earlier = _read(thread)  # this process may not have posted there yet
        channel = self._ids.get(address) or (earlier.channel if earlier else address)
        if not re.match(r"[CGD]", channel):
            return None
        found = self._ask(
            self._client.conversations_history,
            channel=channel,
            oldest=f"{since.timestamp():.6f}",
            limit=HISTORY,
            include_all_metadata=True,
        )
        messages = found.get("messages")
        for message in messages if isinstance(messages, list) else ():
            if isinstance(message, dict) and _reference_of(message) == reference:
                ts = _word(message.get("ts"))
                found_in = Thread(channel, _word(message.get("thread_ts")) or ts)
                return Receipt(provider_id=ts, thread=json.dumps(found_in._asdict()) if all(found_in) else "")
        return None

    def _follow_up(self, thread: Thread, message: Message) -> Receipt | None:
        """Edit the first message and post the news in its thread; None when Slack refuses that for good.

        Then the message was deleted, its thread locked, or the channel replaced by another of its name. The caller
        posts a new message, which shows whether the address still works and begins a new thread.
        """
        try:
            self._edit(thread, message)
            broadcast = {"reply_broadcast": True} if message.reason in BROADCAST else {}
            place = {"channel": thread.channel, "thread_ts": thread.ts, **broadcast}
            posted = self._post(place, message, blocks.news(message))
        except DeliveryError as error:
            if error.result is Result.REJECTED and error.code not in CONTENT:
                return None
            raise
        return Receipt(provider_id=_word(posted.get("ts")), thread=message.thread)

    def _edit(self, thread: Thread, message: Message) -> None:
        try:
            card = blocks.card(message, buttons=self._buttons)
            self._call(self._client.chat_update, message, card, **thread._asdict())
        except DeliveryError as error:
            if error.result is Result.UNCERTAIN:  # the news is not posted yet, and to edit twice does no harm
                raise DeliveryError(Result.RETRY, error.code, error.detail) from error
            raise

    def _post(self, place: dict[str, Any], message: Message, body: list[blocks.Block]) -> dict[str, Any]:
        return self._call(
            self._client.chat_postMessage,
            message,
            body,
            **place,
            mrkdwn=False,
            unfurl_links=False,
            unfurl_media=False,
            metadata={"event_type": EVENT_TYPE, "event_payload": {"reference": message.reference}},
        )

    def _call(
        self,
        method: Callable[..., SlackResponse],
        message: Message,
        body: list[blocks.Block],
        **arguments: Any,
    ) -> dict[str, Any]:
        """One call; when Slack refuses the content, another with a short plain text."""
        # By default chat.update looks for links and mentions in the text, unlike chat.postMessage.
        arguments |= {"parse": "none", "link_names": False}
        try:
            return self._ask(method, **arguments, text=blocks.notification(message), blocks=body)
        except DeliveryError as error:
            if error.code not in CONTENT:
                raise
        return self._ask(method, **arguments, text=blocks.brief(message), blocks=[])

    def _ask(self, method: Callable[..., SlackResponse], **arguments: Any) -> dict[str, Any]:
        with as_outcomes():
            return dict(method(**arguments).data)  # type: ignore[arg-type] # bytes only for a file of analytics

    @cached_property
    def _client(self) -> BotClient:
        from notifier.channels.slack_clients import BotClient

        return BotClient(self.option("token"), self.option("base_url", BotClient.BASE_URL), self.timeout)


def _thread_of(message: Message) -> Thread | None:
    return _read(message.thread) if message.reason in FOLLOW_UPS else None


def _read(thread: str) -> Thread | None:
    try:
        read = Thread(**json.loads(thread))
    except (ValueError, TypeError):  # none, or another channel's
        return None
    return read if read == Thread(_word(read.channel), _word(read.ts)) else None


def _word(value: object) -> str:
    """An id or a ts from Slack's answer; empty when it does not have the form of one."""
    return value if isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9.:_-]{1,100}", value) else ""


def _reference_of(message: Mapping[str, Any]) -> str:
    metadata = message.get("metadata")
    payload = metadata.get("event_payload") if isinstance(metadata, dict) else None
    return str(payload.get("reference", "")) if isinstance(payload, dict) else ""
