"""Finds channels whose messages have buttons that nobody may press. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from notifier.config.problems import NOBODY_ANSWERS, Doubt
from notifier.judge.policy import Policy


def doubts(policy: Policy) -> Iterator[Doubt]:
    """Buttons in Slack that nobody may press: people are known there by their user ids alone."""
    if any(person.slack_id for person in policy.people.values()):
        return
    for alias, channel in policy.channels.items():
        if channel.kind == "slack" and (channel.options.get("signing_secret") or channel.options.get("app_token")):
            text = "its messages have buttons, and nobody may press one: no one in PEOPLE has a SLACK_ID"
            hint = 'Write "PEOPLE": {"ana": {"NAME": "Ana", "SLACK_ID": "U0123ABCD"}}: the member ID in her profile.'
            yield ("CHANNELS", alias), text, hint, NOBODY_ANSWERS
