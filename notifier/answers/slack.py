"""Does what somebody asked in Slack, and says what they are told in private."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from notifier.answers import door, slack_commands, slack_signed, slack_words, who
from notifier.answers.commands import Answer, Asker, Command, Verb
from notifier.answers.slack_asked import Asked, read_value
from notifier.config.conf import get_policy
from notifier.judge.durations import parse_duration
from notifier.judge.oncall.people import Person

MORNING = 8  # the hour at which "until tomorrow" ends


def do(asked: Asked, now: datetime) -> str:
    """Do it, within the caller's transaction; returns a private note, or "" when the message itself shows it."""
    if wrong := slack_signed.why_not(asked):
        return wrong
    person = who.by_slack_id(asked.user)
    if person is None:
        return f'Nobody is known by your Slack user id: ask for {{"SLACK_ID": "{asked.user}"}} in NOTIFIER["PEOPLE"].'
    if asked.home and not asked.value:
        return ""  # it only looks
    asker = who.in_slack(person, asked)
    return _press(asked, asker, person, now) if asked.value else _type(asked, asker, person, now)


def _press(asked: Asked, asker: Asker, person: Person, now: datetime) -> str:
    read = read_value(asked.value)
    if read is None or read[1] not in set(Verb):
        return "This button is of another version: nothing was done."
    alerts, verb, lasting = read
    if verb == Verb.TEST:
        return f"{door.test(asker).sentence} (Test {alerts[0]})"  # its number is a test message's, and no alert's
    answers = _answer(alerts, Verb(verb), _duration(lasting, person, now), asker, now)
    # What was done shows in the message; only what was not done needs words.
    return "\n".join(one.sentence for one in answers if not one.changed)


def _type(asked: Asked, asker: Asker, person: Person, now: datetime) -> str:
    typed = slack_words.read(asked.text)
    if typed.kind is slack_words.Kind.ANSWER and typed.verb is not None:
        answers = _answer(typed.alerts, typed.verb, typed.duration, asker, now)
        return "\n".join(one.sentence for one in answers)
    if typed.kind is slack_words.Kind.TEST:
        return door.test(asker).sentence
    return slack_commands.run(typed, person, now)


def _answer(alerts: Sequence[int], verb: Verb, duration: timedelta | None, asker: Asker, now: datetime) -> list[Answer]:
    if verb is not Verb.REHEARSE:  # it takes seconds, and is about one alert: no lock for so long
        door.lock_silences([verb], now)
        door.lock(alerts)
    return [door.answer(Command(verb, alert, duration), asker, now) for alert in alerts]


def _duration(lasting: str, person: Person, now: datetime) -> timedelta | None:
    if lasting != "tomorrow":
        return parse_duration(lasting) if lasting else None
    local = now.astimezone(ZoneInfo(person.tz or get_policy().tz))
    morning = (local + timedelta(days=1)).replace(hour=MORNING, minute=0, second=0, microsecond=0)
    return morning.astimezone(UTC) - now.astimezone(UTC)  # between two local times the clocks may change
