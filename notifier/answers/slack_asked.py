"""What Slack posts when somebody presses a button or types a command, as a value. Pure.

https://docs.slack.dev/reference/interaction-payloads/block_actions-payload
https://docs.slack.dev/interactivity/implementing-slash-commands
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

MOST = 100  # alerts that one button may be about
_ID = re.compile(r"[A-Z0-9]{2,30}")
_VALUE = re.compile(r"(\d{1,18}(?:,\d{1,18})*):([a-z ]{1,20}):([a-z0-9]{0,10})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asked, where, and for what: a button's `value`, or a command's `text`."""

    key: str  # Slack's own id of the request
    team: str  # the workspace that the app is installed in
    user_team: str  # the workspace of the person, which is another one in a shared channel
    user: str
    channel: str
    response_url: str
    value: str = ""
    text: str = ""
    at: float = 0.0  # when a button was pressed, as Slack says; 0: it does not say
    home: bool = False  # on the app's Home tab, which is of the person alone

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def moment(self) -> datetime | None:
        return datetime.fromtimestamp(self.at, UTC) if 0 < self.at < 32_503_680_000 else None  # before the year 3000


def of_button(payload: object) -> Asked | None:
    """A press of one of our buttons; None for anything else that Slack may post."""
    if not isinstance(payload, Mapping) or payload.get("type") != "block_actions":
        return None
    actions = payload.get("actions")
    action = actions[0] if isinstance(actions, list) and actions and isinstance(actions[0], Mapping) else {}
    value = action.get("value")
    if not isinstance(value, str) or not _VALUE.fullmatch(value):
        return None
    user = payload.get("user")
    return _asked(
        key=payload.get("trigger_id"),
        team=_inside(payload, "team", "id"),
        user_team=_inside(payload, "user", "team_id"),
        user=user.get("id") if isinstance(user, Mapping) else None,
        channel=_inside(payload, "channel", "id"),
        home=_inside(payload, "view", "type") == "home",
        response_url=payload.get("response_url"),
        value=value,
        at=action.get("action_ts"),
    )


def of_command(form: Mapping[str, Any]) -> Asked | None:
    """A slash command; None when something that Slack always sends is missing."""
    team = form.get("team_id")
    text = form.get("text", "")
    return _asked(
        key=form.get("trigger_id"),
        team=team,
        user_team=team,
        user=form.get("user_id"),
        channel=form.get("channel_id"),
        response_url=form.get("response_url"),
        text=text[:1000] if isinstance(text, str) else "",
    )


def of_event(payload: object) -> Asked | None:
    """Somebody opened the app's Home tab: https://docs.slack.dev/reference/events/app_home_opened"""
    if not isinstance(payload, Mapping) or payload.get("type") != "event_callback":
        return None
    if _inside(payload, "event", "type") != "app_home_opened" or _inside(payload, "event", "tab") != "home":
        return None
    team = payload.get("team_id")
    user = _inside(payload, "event", "user")
    fields = {"team": team, "user_team": team, "channel": "", "home": True, "response_url": ""}
    return _asked(key=payload.get("event_id"), user=user, **fields)


def read_value(value: str) -> tuple[list[int], str, str] | None:
    """A button's alerts, verb and time ("1h", "tomorrow"); None when it is none of ours."""
    found = _VALUE.fullmatch(value)
    if not found:
        return None
    alerts = list(dict.fromkeys(map(int, found[1].split(","))))[:MOST]
    return alerts, found[2], found[3]


def _asked(*, key: object, user: object, at: object = None, **fields: Any) -> Asked | None:
    ids = {name: fields[name] for name in ("team", "user_team", "channel")}
    ids["user_team"] = ids["user_team"] or ids["team"]
    home = bool(fields.get("home"))
    ids["channel"] = "" if home else ids["channel"]
    if not _is_id(user) or not all(_is_id(one) or (home and one == "") for one in ids.values()):
        return None
    if not ids["team"]:
        return None
    if not isinstance(key, str) or not re.fullmatch(r"[\w.-]{1,90}", key, re.ASCII):
        return None
    url = fields["response_url"]
    return Asked(
        key=f"slack {key}",
        user=str(user),
        response_url=url if isinstance(url, str) and len(url) <= 500 else "",
        value=fields.get("value", ""),
        text=fields.get("text", ""),
        home=home,
        at=float(at) if isinstance(at, str) and re.fullmatch(r"\d{1,12}(\.\d{1,9})?", at, re.ASCII) else 0.0,
        **ids,
    )


def _is_id(value: object) -> bool:
    return isinstance(value, str) and bool(_ID.fullmatch(value))


def _inside(payload: Mapping[str, Any], name: str, field: str) -> object:
    found = payload.get(name)
    return found.get(field) if isinstance(found, Mapping) else None
