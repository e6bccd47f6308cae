"""Finds by the settings when nobody is on call, members whom no channel reaches, and rotations without a channel."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from importlib.util import find_spec
from pathlib import Path

from notifier.config.problems import NOT_FOLLOWED, UNCOVERED, UNREACHED, UNUSED, VALUE, Problem, path, shown
from notifier.config.unheard import hear_critical
from notifier.judge.calendar import zone
from notifier.judge.oncall import coverage
from notifier.judge.oncall.rotation import Rotation
from notifier.judge.policy import Policy

AHEAD = timedelta(days=14)


def problems(policy: Policy, raw: object, now: datetime) -> Iterator[Problem]:
    """The gaps of each rotation in the coming AHEAD. Without overrides, and without who is set aside, which only the
    database knows: the alert about gaps looks there too.
    """
    for rotation in policy.rotations.values():
        where = path(("ONCALL", rotation.name), raw)
        yield from _user_group(policy, rotation, raw)
        if not coverage.channels_of(policy, rotation.name):
            text = "nothing uses this rotation: no channel has it in its TO"
            hint = f'Write {{"oncall": {shown(rotation.name)}}} there, or remove it.'
            yield Problem(where, text, hint, level="warning", id=UNUSED)
            continue
        if rotation.ics:
            yield from _calendar(rotation, where)
            continue  # whom it names is known when it has been read: see the alert
        yield from _unreached(policy, rotation, raw, now)
        gaps = [hole for hole in coverage.holes(policy, rotation.name, (), now, now + AHEAD) if hole.person is None]
        if gaps:
            more = f", and {_times(len(gaps) - 1)} within 14 days" if len(gaps) > 1 else ""
            costs = coverage.cost(policy, rotation.name, gaps[0], hear_critical(policy))
            text = f"nobody is on call {coverage.when(gaps[0], rotation.tz)}{more}: {costs}"
            hint = "Add a member or a layer, or let somebody take it over: manage.py override."
            yield Problem(where, text, hint, level="warning", id=UNCOVERED)


def _calendar(rotation: Rotation, where: str) -> Iterator[Problem]:
    if find_spec("recurring_ical_events") is None:
        hint = 'Install it: pip install "stripe-webhook-alerts[ics]".'
        yield Problem(where, "a calendar is read by recurring-ical-events, which is not installed", hint, id=VALUE)
    elif "://" not in rotation.ics and not Path(rotation.ics).is_file():
        yield Problem(where, "there is no such file here", "Write its whole path.", level="warning", id=UNCOVERED)


def _user_group(policy: Policy, rotation: Rotation, raw: object) -> Iterator[Problem]:
    """Why the rotation's user group in Slack cannot follow it; whether the scope is there only Slack can say."""
    if not rotation.slack_group:
        return
    where = path(("ONCALL", rotation.name, "SLACK_GROUP"), raw)
    if not any(one.kind == "slack" and one.options.get("token") for one in policy.channels.values()):
        text = "no channel has a Slack bot's token to set it by"
        hint = "Set SLACK_BOT_TOKEN, with a channel of the kind slack."
        yield Problem(where, text, hint, level="warning", id=NOT_FOLLOWED)
    unknown = [name for name in rotation.people if name in policy.people and not policy.people[name].slack_id]
    if unknown:
        text = f"cannot name {', '.join(map(shown, unknown))}: their SLACK_ID is not set"
        hint = 'Add "SLACK_ID": "U0123ABCD", the member ID in their profile.'
        yield Problem(where, text, hint, level="warning", id=NOT_FOLLOWED)


def _times(number: int) -> str:
    return f"{number} more {'time' if number == 1 else 'times'}"


def _unreached(policy: Policy, rotation: Rotation, raw: object, now: datetime) -> Iterator[Problem]:
    today = now.astimezone(zone(rotation.tz)).date()
    seats = (seat for layer in rotation.layers for seat in layer.members)
    members = dict.fromkeys(
        seat.person for seat in seats if seat.person and (seat.until is None or seat.until >= today)
    )
    channels = coverage.channels_of(policy, rotation.name)
    for channel in channels:
        reached = {target.person for target in channel.people.values()}
        for person in members:
            if person not in reached and channel in coverage.wanted(channels, person):
                text = f"has no address on {shown(channel.alias)}, by which {shown(rotation.name)} is to reach them"
                hint = f'Add {shown(channel.alias)} or {shown(channel.kind)} to "ADDRESSES".'
                yield Problem(path(("PEOPLE", person), raw), text, hint, id=UNREACHED)
