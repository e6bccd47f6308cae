"""What Slack and Twilio publish of the requests that they take: names, kinds, limits. What else we send is a mistake.

https://docs.slack.dev/reference/methods, https://docs.slack.dev/reference/block-kit
https://www.twilio.com/docs/messaging/api/message-resource, https://www.twilio.com/docs/voice/api/call-resource
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree

Kind = Callable[[Any], bool]


def _matching(pattern: str) -> Kind:
    return lambda value: isinstance(value, str) and re.fullmatch(pattern, value) is not None


def _text(most: int, least: int = 0) -> Kind:
    return lambda value: isinstance(value, str) and least <= len(value) <= most


def _one_of(*known: object) -> Kind:
    return lambda value: value in known


def _number(least: int, most: int) -> Kind:
    return lambda value: str(value).isdecimal() and least <= int(value) <= most


def _a_url(value: Any) -> bool:
    return isinstance(value, str) and urlsplit(value).scheme in ("http", "https") and bool(urlsplit(value).netloc)


_flag = _one_of(True, False, "true", "false", "1", "0")
_ts = _matching(r"\d{10}\.\d{6}")
_place = _matching(r"[CGDUW][A-Z0-9]{6,}|#[^\s#@,.<>!]{1,80}")
_user = _matching(r"[UW][A-Z0-9]{2,}")

# --- Slack ----------------------------------------------------------------------------------------------------------


def _blocks(most: int) -> Kind:
    return lambda value: isinstance(value, list) and len(value) <= most and not any(map(wrong_block, value))


def _metadata(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() == {"event_type", "event_payload"} and bool(value["event_type"])


def _home(value: Any) -> bool:
    return isinstance(value, dict) and value.get("type") == "home" and value.keys() <= {"type", "blocks"} and (
        _blocks(100)(value.get("blocks"))
    )  # fmt: skip


_MESSAGE: dict[str, Kind] = {
    "channel": _place,
    "text": _text(40_000),
    "blocks": _blocks(50),
    "parse": _one_of("none", "full"),
    "link_names": _flag,
    "metadata": _metadata,
}
_NEW = {
    "thread_ts": _ts,
    "reply_broadcast": _flag,
    "mrkdwn": _flag,
    "unfurl_links": _flag,
    "unfurl_media": _flag,
}
SLACK: dict[str, tuple[set[str], dict[str, Kind]]] = {
    "auth.test": (set(), {}),
    "apps.connections.open": (set(), {}),
    "chat.postMessage": ({"channel"}, _MESSAGE | _NEW),
    "chat.update": ({"channel", "ts"}, _MESSAGE | {"ts": _ts, "channel": _matching("[CGD][A-Z0-9]{6,}")}),
    "conversations.history": (
        {"channel"},
        {
            "channel": _matching("[CGD][A-Z0-9]{6,}"),
            "oldest": _matching(r"\d+(\.\d{6})?"),
            "limit": _number(1, 999),
            "include_all_metadata": _flag,
        },
    ),
    "usergroups.users.update": (
        {"usergroup", "users"},
        {"usergroup": _matching("S[A-Z0-9]{2,}"), "users": _matching(r"[UW][A-Z0-9]+(,[UW][A-Z0-9]+)*")},
    ),
    "views.publish": ({"user_id", "view"}, {"user_id": _user, "view": _home}),
}
NOTE: dict[str, Kind] = {"response_type": _one_of("ephemeral"), "replace_original": _flag, "text": _text(40_000, 1)}


def _of_text(*types: str, most: int = 3000) -> Kind:
    def fits(value: Any) -> bool:
        known = isinstance(value, dict) and value.get("type") in types and _text(most, 1)(value.get("text"))
        more = {"verbatim"} if known and value["type"] == "mrkdwn" else {"emoji"}
        return known and value.keys() <= {"type", "text"} | more

    return fits


def _button(value: Any) -> bool:
    fields = {
        "type": _one_of("button"),
        "action_id": _text(255, 1),
        "text": _of_text("plain_text", most=75),
        "value": _text(2000, 1),
        "style": _one_of("primary", "danger"),
    }
    return isinstance(value, dict) and not list(_mistakes(value, {"type", "text"}, fields))


def _code(value: Any) -> bool:
    if not isinstance(value, dict) or value.get("type") != "rich_text_preformatted":
        return False
    parts = value.get("elements", [])
    return value.keys() == {"type", "elements"} and all(
        part.keys() == {"type", "text"} and part["type"] == "text" and part["text"] for part in parts
    )


def _listed(kind: Kind, most: int) -> Kind:
    return lambda value: isinstance(value, list) and 0 < len(value) <= most and all(map(kind, value))


_BLOCKS: dict[str, dict[str, Kind]] = {
    "section": {"text": _of_text("mrkdwn", "plain_text"), "accessory": _button},
    "context": {"elements": _listed(_of_text("mrkdwn", "plain_text"), 10)},
    "actions": {"elements": _listed(_button, 25)},
    "rich_text": {"elements": _listed(_code, 1)},
}


def wrong_block(block: Any) -> str:
    fields = _BLOCKS.get(str(block.get("type"))) if isinstance(block, dict) else None
    if fields is None:
        return f"no such block: {block}"
    need = {"text"} if "text" in fields else set(fields)
    return "; ".join(_mistakes({name: block[name] for name in block if name != "type"}, need, fields))


def wrong_for_slack(method: str, fields: Mapping[str, Any]) -> str:
    """What Slack does not describe in a request; "" for nothing."""
    if method not in SLACK:
        return f"no method is called {method}"
    need, known = SLACK[method]
    return "; ".join(_mistakes(fields, need, known))


# --- Twilio ---------------------------------------------------------------------------------------------------------

_e164 = _matching(r"\+[1-9]\d{6,14}")
_SENDER = {
    "From": _matching(r"\+[1-9]\d{6,14}|\d{3,8}|[\w &+-]{1,11}"),
    "MessagingServiceSid": _matching("MG[0-9a-fA-F]{32}"),
}
_TWIML = {
    "Response": (set[str](), {"Say", "Pause", "Gather", "Hangup", "Message"}),
    "Gather": ({"numDigits", "timeout", "action"}, {"Say", "Pause"}),
    "Say": (set[str](), set[str]()),
    "Pause": (set[str](), set[str]()),
    "Hangup": (set[str](), set[str]()),
    "Message": (set[str](), set[str]()),
}
TWILIO: dict[tuple[str, str], tuple[set[str], dict[str, Kind]]] = {
    ("POST", "Messages"): (
        {"To", "Body"},
        {
            "To": _e164,
            "Body": _text(1600, 1),
            "StatusCallback": _a_url,
            "ValidityPeriod": _number(1, 36_000),
            **_SENDER,
        },
    ),
    ("GET", "Messages"): (set(), {"To": _e164, "PageSize": _number(1, 1000)}),
    ("POST", "Calls"): (
        {"To", "From", "Twiml"},
        {
            "To": _e164,
            "From": _e164,
            "Twiml": lambda value: _text(4000, 1)(value) and not wrong_twiml(value),
            "Timeout": _number(1, 600),
        },
    ),
}


def wrong_for_twilio(method: str, resource: str, fields: Mapping[str, Any]) -> str:
    """The same of Twilio."""
    if (method, resource) not in TWILIO:
        return f"nothing to {method} is called {resource}"
    need, known = TWILIO[method, resource]
    found = "; ".join(_mistakes(fields, need, known))
    if resource == "Messages" and method == "POST" and len(fields.keys() & _SENDER.keys()) != 1:
        found += "; one of From and MessagingServiceSid"
    return found


def wrong_twiml(text: str) -> str:
    """https://www.twilio.com/docs/voice/twiml and /docs/messaging/twiml"""
    try:
        root = ElementTree.fromstring(text)  # noqa: S314 - of our own making
    except ElementTree.ParseError as error:
        return f"no XML: {error}"
    if root.tag != "Response":
        return f"begins with {root.tag}"
    for verb in root.iter():
        attributes, within = _TWIML.get(verb.tag, (set(), set()))
        if verb.tag not in _TWIML or not verb.attrib.keys() <= attributes or not {one.tag for one in verb} <= within:
            return f"{verb.tag} with {verb.attrib} and {[one.tag for one in verb]}"
    return ""


def _mistakes(fields: Mapping[str, Any], need: set[str], known: Mapping[str, Kind]) -> Iterator[str]:
    yield from (f"{name} is missing" for name in sorted(need - fields.keys()))
    for name, value in fields.items():
        if name not in known:
            yield f"there is no {name}"
        elif not known[name](value):
            yield f"{name} cannot be {str(value)[:300]!r}"
