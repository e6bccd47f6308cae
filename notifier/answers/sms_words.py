"""Reads what an SMS asks for: "1a", "ack 1", "1s 2h", "all", in any case, with blanks and quotes. Pure.

None of the verbs is a word that carriers and Twilio react to themselves (STOP and the like):
https://www.twilio.com/docs/messaging/tutorials/advanced-opt-out
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from notifier.facts import Verb

STOP = frozenset({"stop", "stopall", "unsubscribe", "cancel", "end", "quit", "revoke", "optout"})
START = frozenset({"start", "unstop"})
LONGEST = 320  # characters that are read: two segments
MOST = 20  # statements in one message

_VERBS = {
    Verb.ACKNOWLEDGE: ("a", "ack", "acknowledge", "acknowledged", "take"),
    Verb.RESOLVE: ("c", "close", "closed", "resolve", "resolved", "done", "fixed"),
    Verb.SILENCE: ("s", "silence", "mute", "snooze"),
    Verb.UNSILENCE: ("u", "unsilence", "unmute"),
    Verb.ESCALATE: ("e", "esc", "escalate", "next"),
    Verb.REPLAY: ("r", "replay", "retry"),
    Verb.TAKE_BACK: ("b", "back", "unack", "untake"),
    Verb.TEST: ("t", "test"),
}
_WORDS = {word: verb for verb, words in _VERBS.items() for word in words}
_ALL = frozenset({"all", "everything"})
_FILLERS = frozenset({"alert", "alerts", "and", "for", "it", "please", "pls", "the", "thanks"})
ALL = "all"
_UNIT = re.compile(r"\b(\d{1,4}) ([dhm])(?:ays?|ours?|in|ins|inutes?)?\b", re.ASCII)
# Numbers come before their verb ("1 2 a") or behind it ("ack 1 2"), and not both.
_SHAPE = "N+VD?|VD?N*D?"
_DURATION = re.compile(r"(?:(\d{1,3})d)?(?:(\d{1,3})h)?(?:(\d{1,4})m(?:in)?)?", re.ASCII)


Part = Verb | int | timedelta | str


class Kind(StrEnum):
    COMMANDS = "commands"
    STATUS = "status"  # of the numbers that were sent alone
    ONCALL = "oncall"
    HELP = "help"
    TEST = "test"
    STOP = "stop"
    START = "start"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Statement:
    """A verb, and the codes of the alerts that it is about; without a code, the only alert that is open."""

    verb: Verb | None
    codes: tuple[int, ...] = ()
    all: bool = False
    duration: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    kind: Kind
    statements: tuple[Statement, ...] = ()


def read(text: str) -> Asked:
    """What a message asks for. If one word is not understood nothing is: doing half of it might be wrong."""
    words = _words(text)
    if "".join(words) in STOP and len(words) <= 2:  # "opt-out" is one, and "stop 118" is none
        return Asked(Kind.STOP)
    if len(words) == 1 and words[0] in START:
        return Asked(Kind.START)
    if words in (["oncall"], ["on", "call"], ["who"]):
        return Asked(Kind.ONCALL)
    if words == ["test"]:
        return Asked(Kind.TEST)
    if words in (["help"], ["?"], ["commands"], ["info"]):
        return Asked(Kind.HELP)
    statements = _statements([word for word in words if word not in _FILLERS])
    if not statements or len(statements) > MOST:
        return Asked(Kind.UNKNOWN)
    return Asked(Kind.STATUS if statements[0].verb is None else Kind.COMMANDS, statements)


def _words(text: str) -> list[str]:
    """The words in lower case, without quotes and punctuation; but "?" alone is a word."""
    plain = unicodedata.normalize("NFKC", text[:LONGEST]).casefold()
    if plain.strip() == "?":
        return ["?"]
    return _UNIT.sub(r"\1\2", " ".join(re.findall(r"[^\W_]+", plain))).split()


def _statements(words: list[str]) -> tuple[Statement, ...]:
    """The statements in their order; none when a word is not understood."""
    parts: list[Part] = []
    for word in words:
        known = list(_parts(word))
        if not known:
            return ()
        parts += known
    letters = "".join(map(_letter, parts))
    if letters == "N" and parts == [ALL]:
        return (Statement(Verb.ACKNOWLEDGE, all=True),)
    if re.fullmatch("N+", letters):
        return (_statement(parts),)
    if not re.fullmatch(f"({_SHAPE})+", letters):
        return ()
    found = tuple(_statement(parts[one.start() : one.end()]) for one in re.finditer(_SHAPE, letters))
    lasting = [one.verb for one in found if one.duration is not None]
    return found if set(lasting) <= {Verb.SILENCE, Verb.ACKNOWLEDGE} else ()


def _parts(word: str) -> Iterator[Part]:
    """What one word is made of: "1a" is a number and a verb, "2h" a time."""
    if word in _ALL:
        yield ALL
    elif word in _WORDS:
        yield _WORDS[word]
    elif re.fullmatch(r"\d{1,4}", word, re.ASCII):
        yield int(word)
    elif (found := _DURATION.fullmatch(word)) and any(found.groups()):
        days, hours, minutes = (int(digits or 0) for digits in found.groups())
        yield timedelta(days=days, hours=hours, minutes=minutes)
    elif (coded := re.fullmatch(r"(\d{1,4})([a-z]+)", word, re.ASCII)) and coded[2] in _WORDS:
        yield from (int(coded[1]), _WORDS[coded[2]])
    elif (coded := re.fullmatch(r"([a-z]+)(\d{1,4})", word, re.ASCII)) and coded[1] in _WORDS:
        yield from (_WORDS[coded[1]], int(coded[2]))


def _letter(part: Part) -> str:
    return "V" if isinstance(part, Verb) else "D" if isinstance(part, timedelta) else "N"


def _statement(parts: list[Part]) -> Statement:
    return Statement(
        verb=next((part for part in parts if isinstance(part, Verb)), None),
        codes=tuple(part for part in parts if isinstance(part, int)),
        all=ALL in parts,
        duration=next((part for part in parts if isinstance(part, timedelta)), None),
    )
