"""Reads what somebody types after `/alerts`: "open", "ack 118 2h", "take payments 4h". Pure."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from notifier.facts import Verb
from notifier.judge.durations import parse_duration
from notifier.messages.wording import sentence

LONGEST = 500  # characters that are read
MOST = 20  # alerts in one command


class Kind(StrEnum):
    ANSWER = "answer"
    OPEN = "open"
    ONCALL = "oncall"
    TAKE = "take"
    UNDO = "undo"
    DIGEST = "digest"
    HELP = "help"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Typed:
    """What was asked for. `wrong`: why it cannot be understood; empty when it can."""

    kind: Kind = Kind.HELP
    verb: Verb | None = None
    alerts: tuple[int, ...] = ()
    duration: timedelta | None = None
    name: str = ""  # of a rotation or a digest
    number: int = 0  # of an override
    wrong: str = ""


_VERBS = {
    "ack": Verb.ACKNOWLEDGE,
    "acknowledge": Verb.ACKNOWLEDGE,
    "back": Verb.TAKE_BACK,
    "unack": Verb.TAKE_BACK,
    "resolve": Verb.RESOLVE,
    "silence": Verb.SILENCE,
    "unsilence": Verb.UNSILENCE,
    "escalate": Verb.ESCALATE,
    "replay": Verb.REPLAY,
    "rehearse": Verb.REHEARSE,
    "test": Verb.TEST,
}
_LASTING = frozenset({Verb.ACKNOWLEDGE, Verb.SILENCE})


def read(text: str) -> Typed:
    """What was asked for. Words in any case; an alert's number with or without "#"."""
    words = unicodedata.normalize("NFKC", text[:LONGEST]).split()
    first = words[0].casefold() if words else "help"
    rest = [word for word in words[1:] if word.casefold() not in ("for", "alert")]
    if first == Kind.TEST and not rest:
        return Typed(Kind.TEST)
    if first in _VERBS:
        return _answer(_VERBS[first], rest)
    if first == Kind.TAKE:
        return _take(rest)
    if first == Kind.UNDO:
        return _undo(rest)
    if first == Kind.DIGEST:
        return Typed(Kind.DIGEST, name=rest[0] if rest else "")
    if first in (Kind.OPEN, Kind.ONCALL, Kind.HELP):
        return Typed(Kind(first))
    return Typed(wrong="There is no such command.")


def _answer(verb: Verb, words: list[str]) -> Typed:
    numbers = [word.removeprefix("#") for word in words]
    alerts = tuple(int(word) for word in numbers if re.fullmatch(r"\d{1,18}", word, re.ASCII))
    others = [word for word in numbers if not re.fullmatch(r"\d{1,18}", word, re.ASCII)]
    if not alerts or len(alerts) > MOST:
        return Typed(wrong=f'Which alert? Write its number: "{verb} 118".')
    if verb is Verb.REHEARSE and len(alerts) > 1:
        return Typed(wrong="A rehearsal takes its time: one alert at once.")
    if not others:
        return Typed(Kind.ANSWER, verb, alerts)
    if verb not in _LASTING or len(others) > 1:
        return Typed(wrong=f'Only numbers of alerts can follow: "{verb} 118".')
    try:
        return Typed(Kind.ANSWER, verb, alerts, parse_duration(others[0].casefold()))
    except ValueError as error:
        return Typed(wrong=f"For how long? {sentence(error)}")


def _take(words: list[str]) -> Typed:
    if not words:
        return Typed(wrong='Which rotation, and for how long? "take payments 4h".')
    try:
        return Typed(Kind.TAKE, name=words[0], duration=parse_duration(words[1].casefold()) if words[1:] else None)
    except ValueError as error:
        return Typed(wrong=f"For how long? {sentence(error)}")


def _undo(words: list[str]) -> Typed:
    numbers = [word.removeprefix("#") for word in words if word.casefold() != "override"]
    if len(numbers) != 1 or not re.fullmatch(r"\d{1,18}", numbers[0], re.ASCII):
        return Typed(wrong='Which override? Write its number: "undo 7".')
    return Typed(Kind.UNDO, number=int(numbers[0]))
