"""A user group in Slack that has whoever is on call as its only member, so that "@oncall" reaches them.

https://docs.slack.dev/reference/methods/usergroups.users.update
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from time import monotonic

from alerts_runtime.isolation.parts import on_its_own
from alerts_runtime.leasing import clock
from alerts_runtime.redaction.loggers import get_logger
from notifier import api
from notifier.channels.slack_errors import as_outcomes
from notifier.config.conf import get_policy
from notifier.facts import DeliveryError, Result
from notifier.judge.oncall.rotation import Rotation
from notifier.judge.policy import ChannelConfig, Policy
from notifier.models import Alert
from notifier.oncall.duty import person_now

log = get_logger(__name__)

LOOK = 5.0  # seconds between two looks at who is on call
ANEW = 3600.0  # seconds after which the group is set again, as somebody may have changed it in Slack
PAUSE = 60.0  # seconds after a try that failed
TIMEOUT = 5.0
SOURCE = "slack_group."
NOT_BY_ITSELF = timedelta(days=366)
SCOPE = "usergroups:write"
_WORDS = {
    "missing_scope": f"the token lacks a scope: {SCOPE}",
    "plan_upgrade_required": "user groups need a paid plan of Slack",
    "permission_denied": "the workspace does not let the app change user groups",
    "no_such_subteam": "there is no such user group",
    "invalid_users": "Slack does not know the SLACK_ID",
    "failed_for_some_users": "the SLACK_ID is of another workspace",
}


@dataclass(frozen=True, slots=True)
class Done:
    member: str
    until: float  # time.monotonic(); when to set it again, if nobody else comes on call before


class Follower:
    """Keeps the groups up to date. It has a thread of its own, so that a hanging Slack delays nothing else."""

    def __init__(self) -> None:
        self._done: dict[str, Done] = {}

    def step(self) -> float:
        """Look at each rotation once; seconds until the next look. Raises when the database cannot be reached."""
        policy, now = get_policy(), clock.now()
        for rotation in policy.rotations.values():
            if rotation.slack_group:
                on_its_own("set a user group", partial(self._follow, rotation, policy, now), key=rotation.name)
        return LOOK

    def _follow(self, rotation: Rotation, policy: Policy, now: datetime) -> None:
        person, bot = person_now(rotation, now), bot_of(policy)
        done = self._done.get(rotation.name)
        # Slack allows no empty group: while nobody is on call it stays as it was.
        if person is None or bot is None or (done and done.member == person and monotonic() < done.until):
            return
        known = policy.people.get(person)
        try:
            if known is None or not known.slack_id:
                raise DeliveryError(
                    Result.REJECTED, "no_slack_id", f"{known.name if known else person} has no SLACK_ID"
                )
            _set(bot, rotation.slack_group, known.slack_id)
        except DeliveryError as error:
            self._done[rotation.name] = Done(person, monotonic() + PAUSE)
            _failed(rotation, error, now)
        else:
            self._done[rotation.name] = Done(person, monotonic() + ANEW)
            log.info("user_group.set", rotation=rotation.name, person=person)
            if Alert.objects.filter(source=f"{SOURCE}{rotation.name}", resolved_at__isnull=True).exists():
                api.resolve(f"{SOURCE}{rotation.name}", "it follows again", now)


def bot_of(policy: Policy) -> ChannelConfig | None:
    """The Slack channel whose token is used to set groups: the first that has one."""
    found = (one for one in policy.channels.values() if one.kind == "slack" and one.options.get("token"))
    return next((one for one in found if not one.prints), None)


def _set(bot: ChannelConfig, group: str, member: str) -> None:
    """Make `member` the only member of `group`. Raises DeliveryError."""
    from notifier.channels.slack_clients import BotClient

    client = BotClient(str(bot.options["token"]), str(bot.options.get("base_url") or BotClient.BASE_URL), TIMEOUT)
    with as_outcomes():
        client.usergroups_users_update(usergroup=group, users=[member])


def _failed(rotation: Rotation, error: DeliveryError, now: datetime) -> None:
    why = _WORDS.get(error.code, error.detail)
    log.warning("user_group.not_set", rotation=rotation.name, code=error.code, detail=why)
    if error.result is not Result.REJECTED:
        return  # it is tried again
    api.alert(
        f"The user group in Slack does not follow {rotation.name}: {why}",
        key=f"{SOURCE}{rotation.name}",
        severity="warning",
        category="configuration",
        hint=f'Who is mentioned there is not on call. Mend it, or take "SLACK_GROUP" of {rotation.name} out. '
        f"The app needs the scope {SCOPE}.",
        resolve_after=NOT_BY_ITSELF,
        once=f"{error.code} {now:%Y%m%d%H}",  # every worker tries again and again: count it once an hour
        now=now,
    )
