"""Slack's Web API and incoming webhooks: https://docs.slack.dev/reference/methods"""

from __future__ import annotations

import time
import zlib
from typing import Any

from tests.fakes import Fake, Reply, Request, run
from tests.fakes.described import NOTE, wrong_for_slack

MAX_TEXT, MAX_BLOCKS, MAX_SECTION, MAX_TOTAL = 40_000, 50, 3000, 13_200


class FakeSlack(Fake):
    """Slack, with every channel there and the bot in it."""

    name = "slack"

    def __init__(self, port: int = 0) -> None:
        super().__init__(port)
        self.notes: list[dict[str, Any]] = []  # what only who asked has seen
        self.groups: dict[str, list[str]] = {}  # the members of user groups
        self.homes: dict[str, dict[str, Any]] = {}  # the app's Home tab, by user

    @property
    def response_url(self) -> str:
        return f"{self.url}/answers/T0123ABCD/1/secret"

    @property
    def api_url(self) -> str:
        return f"{self.url}/api/"

    @property
    def webhook_url(self) -> str:
        return f"{self.url}/services/T00000000/B00000000/hooksecrethooksecret"

    def respond(self, request: Request) -> Reply:
        if request.path.startswith("/answers/"):  # a response_url
            self.notes.append(request.fields)
            self.wrong += [f"note: {name}" for name, value in request.fields.items() if not NOTE[name](value)]
            return Reply(200, "ok", {"Content-Type": "text/html"})
        if request.path.startswith("/services/"):
            return self._webhook(request.fields)
        if not request.headers.get("authorization", "").startswith("Bearer xoxb-"):
            return _no("not_authed")
        if wrong := wrong_for_slack(request.path.removeprefix("/api/"), _without_token(request)):
            self.wrong.append(f"{request.path}: {wrong}")
        method = getattr(self, "_" + request.path.removeprefix("/api/").replace(".", "_").lower(), None)
        return method(request.fields) if method else _no("unknown_method")

    def find(self, ts: str) -> dict[str, Any] | None:
        return next((message for message in self.messages if message["ts"] == ts), None)

    def _auth_test(self, fields: dict[str, Any]) -> Reply:
        return _yes(team="Example", user="alerts", bot_id="B00000000")

    def _chat_postmessage(self, fields: dict[str, Any]) -> Reply:
        if error := _refused(fields):
            return _no(error)
        kept = ("text", "blocks", "thread_ts", "reply_broadcast", "metadata")
        message = {name: fields[name] for name in kept if name in fields}
        message |= {"channel": channel_id(fields.get("channel", "")), "ts": self._now()}
        self.messages.append(message)
        return _yes(channel=message["channel"], ts=message["ts"], message=message)

    def _chat_update(self, fields: dict[str, Any]) -> Reply:
        message = self.find(fields.get("ts", ""))
        if message is None or message["channel"] != fields.get("channel"):
            return _no("message_not_found" if message is None else "channel_not_found")
        if error := _refused(fields):
            return _no(error)
        message |= {name: fields[name] for name in ("text", "blocks", "metadata") if name in fields}
        message["edits"] = message.get("edits", 0) + 1
        return _yes(channel=message["channel"], ts=message["ts"], text=message["text"])

    def _views_publish(self, fields: dict[str, Any]) -> Reply:
        view = fields.get("view", {})
        blocks = view.get("blocks", [])
        if view.get("type") != "home" or not 0 < len(blocks) <= 100 or _refused({"blocks": blocks[:MAX_BLOCKS]}):
            return _no("invalid_arguments")
        self.homes[fields.get("user_id", "")] = view
        return _yes(view=view)

    def _usergroups_users_update(self, fields: dict[str, Any]) -> Reply:
        """https://docs.slack.dev/reference/methods/usergroups.users.update"""
        users = fields.get("users", "").split(",")
        if not all(users):
            return _no("no_users_provided")
        if not all(user.startswith(("U", "W")) for user in users):
            return _no("invalid_users")
        self.groups[fields.get("usergroup", "")] = users
        return _yes(usergroup={"id": fields.get("usergroup"), "users": users})

    def _conversations_history(self, fields: dict[str, Any]) -> Reply:
        oldest = float(fields.get("oldest", 0))
        found = [
            message
            for message in reversed(self.messages)
            if message["channel"] == fields.get("channel")
            and float(message["ts"]) > oldest
            and ("thread_ts" not in message or message.get("reply_broadcast"))
        ]
        if fields.get("include_all_metadata") not in ("1", "true", True):
            found = [{name: value for name, value in message.items() if name != "metadata"} for message in found]
        return _yes(messages=found[: int(fields.get("limit", 100))], has_more=False)

    def _webhook(self, fields: dict[str, Any]) -> Reply:
        plain = {"Content-Type": "text/html"}
        if error := _refused(fields):
            return Reply(400, error, plain)
        self.messages.append({"channel": "webhook", "ts": self._now(), **fields})
        return Reply(200, "ok", plain)

    def _now(self) -> str:
        """A ts: the time, and unique in its channel."""
        last = float(self.messages[-1]["ts"]) if self.messages else 0.0
        return f"{max(time.time(), last + 0.000_010):.6f}"


def _without_token(request: Request) -> dict[str, Any]:
    fields = request.fields | ({} if request.method == "POST" else request.query)
    return {name: value for name, value in fields.items() if name != "token"}


def channel_id(name: str) -> str:
    """The id of a channel; a member's id becomes that of the conversation with them."""
    if name.startswith("#"):
        return f"C{zlib.crc32(name.encode()):010X}"
    return "D" + name[1:] if name.startswith("U") else name


def _is_fine(elements: list[dict[str, Any]]) -> bool:
    """https://docs.slack.dev/reference/block-kit/block-elements/button-element"""
    ids = [element["action_id"] for element in elements]
    return (
        0 < len(elements) <= 25
        and len(set(ids)) == len(ids)
        and all(
            element["type"] == "button"
            and element["text"]["type"] == "plain_text"
            and 0 < len(element["text"]["text"]) <= 75
            and 0 < len(element["value"]) <= 2000
            and element.get("style", "primary") in ("primary", "danger")
            for element in elements
        )
    )


def _refused(fields: dict[str, Any]) -> str:
    blocks = fields.get("blocks") or []
    sections = [block["text"]["text"] for block in blocks if block["type"] == "section"]
    small = [element["text"] for block in blocks if block["type"] == "context" for element in block["elements"]]
    for block in blocks:
        if block["type"] == "actions" and not _is_fine(block["elements"]):
            return "invalid_blocks"
    code = [part for block in blocks if block["type"] == "rich_text" for part in block["elements"]]
    if any(not 0 < len(text["text"]) <= MAX_SECTION for part in code for text in part["elements"]):
        return "invalid_blocks"
    if not fields.get("text") and not blocks:
        return "no_text"
    if len(fields.get("text", "")) > MAX_TEXT:
        return "msg_too_long"
    if len(blocks) > MAX_BLOCKS or any(not 0 < len(text) <= MAX_SECTION for text in sections + small):
        return "invalid_blocks"
    return "msg_blocks_too_long" if sum(map(len, sections + small)) > MAX_TOTAL else ""


def _yes(**fields: Any) -> Reply:
    return Reply.of({"ok": True, **fields})


def _no(error: str) -> Reply:
    return Reply.of({"ok": False, "error": error})


if __name__ == "__main__":
    run(FakeSlack)
