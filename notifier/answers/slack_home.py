"""The app's Home tab in Slack: what is open, who has it, and who is on call. Made anew whenever somebody opens it."""

from __future__ import annotations

from datetime import datetime
from http.client import HTTPException
from typing import Any

from alerts_runtime.leasing import clock
from alerts_runtime.redaction.loggers import get_logger
from notifier.answers import slack_signed, who
from notifier.answers.duty import on_call
from notifier.answers.set_up import channels
from notifier.answers.slack_asked import Asked
from notifier.channels import slack_errors
from notifier.channels.blocks import escape
from notifier.config.conf import get_policy
from notifier.facts import Button, Severity, Verb
from notifier.judge.policy import Policy
from notifier.messages.answered import how_it_stands
from notifier.messages.wording import counted
from notifier.models import Alert

log = get_logger(__name__)

SHOWN = 30  # alerts; a view holds 100 blocks
TIMEOUT = 5.0  # seconds
Block = dict[str, Any]


def publish(asked: Asked, said: str) -> bool:
    """Show the tab to who opened it, with a sentence above; False when that could not be done. Never raises."""
    from slack_sdk.errors import SlackApiError, SlackRequestError

    from notifier.channels.slack_clients import BotClient

    try:
        known = not slack_signed.why_not(asked) and who.by_slack_id(asked.user) is not None
        view = {
            "type": "home",
            "blocks": blocks(get_policy(), clock.now(), said) if known else [_section(escape(said))],
        }
        bot = next(one.options for one in channels() if one.kind == "slack" and one.options.get("token"))
        client = BotClient(str(bot["token"]), str(bot.get("base_url") or BotClient.BASE_URL), TIMEOUT)
        client.views_publish(user_id=asked.user, view=view)
    except SlackApiError as error:
        log.warning("slack.home_not_shown", reason=str(slack_errors.refusal(error.response)))
    except (HTTPException, OSError, SlackRequestError, ValueError, StopIteration) as error:
        log.warning("slack.home_not_shown", reason=type(error).__name__)
    else:
        return True
    return False


def blocks(policy: Policy, now: datetime, said: str) -> list[Block]:
    """The worst first, each with a button to take it."""
    rows = Alert.objects.filter(resolved_at__isnull=True).order_by("-severity", "-livemode", "-last_at")
    found = list(rows.defer("traceback", "message", "context", "frame")[: SHOWN + 1])
    number = f"{counted(len(found), 'alert')} open" if len(found) <= SHOWN else f"More than {SHOWN} alerts are open"
    head = [escape(said), f"*{number if found else 'Nothing is open.'}*"]
    return [
        *(_section(line) for line in head if line),
        *(_alert(row, policy, now) for row in found[:SHOWN]),
        _section(f"*On call* {escape(on_call(policy, now))}"),
    ]


def _alert(row: Alert, policy: Policy, now: datetime) -> Block:
    words = f"{Severity(row.severity).label.capitalize()}: {row.headline}"
    text = f"*{escape(words)}*\n{escape(how_it_stands(row, now, policy.tz))}"
    has_it = row.acknowledged_until is not None and row.acknowledged_until > now
    button = (
        Button("Take back", Verb.TAKE_BACK, (row.pk,)) if has_it else Button("Acknowledge", Verb.ACKNOWLEDGE, (row.pk,))
    )
    accessory = {
        "type": "button",
        "action_id": f"answer_{row.pk}",
        "text": {"type": "plain_text", "text": button.text},
        "value": button.value,
    }
    return _section(text) | {"accessory": accessory}


def _section(text: str) -> Block:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text[:2900], "verbatim": True}}
