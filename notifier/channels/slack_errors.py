"""What Slack's Web API answers, and what it means for a message."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from typing import TYPE_CHECKING, NamedTuple

from notifier.channels import failures
from notifier.facts import DeliveryError, Result

if TYPE_CHECKING:
    from slack_sdk.web import SlackResponse


class Answer(NamedTuple):
    result: Result
    words: str
    target_dead: bool = False
    channel_dead: bool = False  # the bot or its workspace: no other target of the channel can be told either


_TRY_AGAIN = Answer(Result.RETRY, "Slack asks to try again")
# "It's possible some aspect of the operation succeeded before the error was raised", Slack says of these.
_MAY_HAVE_POSTED = Answer(Result.UNCERTAIN, "Slack failed, perhaps after it had posted")
_TOKEN = Answer(Result.REJECTED, "Slack does not accept the bot's token; install the app again", channel_dead=True)
_REFUSED_CONTENT = Answer(Result.REJECTED, "Slack does not accept the message's content, nor a short plain text")

# https://docs.slack.dev/reference/methods/chat.postMessage#errors and chat.update#errors
ERRORS: dict[str, Answer] = {
    "ratelimited": _TRY_AGAIN,
    "rate_limited": _TRY_AGAIN,
    "fatal_error": _MAY_HAVE_POSTED,
    "internal_error": _MAY_HAVE_POSTED,
    "service_unavailable": _TRY_AGAIN,
    "request_timeout": _TRY_AGAIN,
    "team_added_to_org": _TRY_AGAIN,
    "channel_not_found": Answer(Result.REJECTED, "no such channel, or a private one without the bot", True),
    "not_in_channel": Answer(Result.REJECTED, "the bot is not in the channel: /invite it there", True),
    "is_archived": Answer(Result.REJECTED, "the channel is archived", True),
    "user_not_found": Answer(Result.REJECTED, "no such member", True),
    "user_disabled": Answer(Result.REJECTED, "the member's account is closed", True),
    "restricted_action": Answer(Result.REJECTED, "the workspace does not let the bot post there", True),
    "missing_scope": Answer(Result.REJECTED, "the token lacks a scope: the bot needs chat:write", channel_dead=True),
    "no_permission": Answer(Result.REJECTED, "the bot lacks a permission: install the app again", channel_dead=True),
    "org_login_required": Answer(Result.REJECTED, "the workspace is being moved by Slack", channel_dead=True),
    "ekm_access_denied": Answer(Result.REJECTED, "the workspace's admins have suspended messages", channel_dead=True),
    "access_denied": _TOKEN,
    "two_factor_setup_required": _TOKEN,
    "team_access_not_granted": _TOKEN,
    "invalid_auth": _TOKEN,
    "not_authed": _TOKEN,
    "token_revoked": _TOKEN,
    "token_expired": _TOKEN,
    "account_inactive": _TOKEN,
    "not_allowed_token_type": _TOKEN,
    "msg_too_long": _REFUSED_CONTENT,
    "msg_blocks_too_long": _REFUSED_CONTENT,
    "invalid_blocks": _REFUSED_CONTENT,
    "invalid_blocks_format": _REFUSED_CONTENT,
    "no_text": _REFUSED_CONTENT,
}
CONTENT = frozenset(code for code, answer in ERRORS.items() if answer is _REFUSED_CONTENT)


@contextmanager
def as_outcomes(settings: str = "the token or the API's URL") -> Iterator[None]:
    """Within, what slack_sdk raises is a DeliveryError. `settings`: what may be wrong when it cannot even ask."""
    from slack_sdk.errors import SlackApiError, SlackRequestError

    try:
        yield
    except SlackApiError as error:
        raise refusal(error.response) from error
    except (HTTPException, OSError) as error:
        raise failures.of_urllib(error) from error
    except (SlackRequestError, ValueError) as error:
        raise failures.unusable(settings) from error


def refusal(response: SlackResponse) -> DeliveryError:
    """An answer that is not `ok`: a busy or failing Slack shows by its status, everything else by the error's name."""
    data = response.data if isinstance(response.data, dict) else {}
    code = str(data.get("error", ""))
    answer = ERRORS.get(code)
    if (response.status_code == 429 or response.status_code >= 500) and answer is not _MAY_HAVE_POSTED:
        return failures.by_status(response.status_code, response.headers, "Slack is busy or failing")
    if answer:
        needed = str(data.get("needed", ""))
        scope = f"the token lacks a scope: {needed}" if code == "missing_scope" and needed else ""
        return DeliveryError(
            answer.result,
            code,
            scope or answer.words,
            retry_after=failures.retry_after(response.headers),
            target_dead=answer.target_dead,
            channel_dead=answer.channel_dead,
        )
    if response.status_code != 200:
        return failures.by_status(response.status_code, response.headers, "not from Slack: check the API's URL")
    if re.fullmatch(r"[a-z_]+", code):
        return DeliveryError(Result.REJECTED, code, "Slack refused the message")
    return DeliveryError(Result.RETRY, "unreadable_answer", "the answer is not from Slack's API")
