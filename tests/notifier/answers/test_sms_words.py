"""What a text message asks for: a table, and what must hold for every text."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.answers.sms_words import STOP, Asked, Kind, Statement, read
from notifier.facts import Verb

A, C, S, E, R, B = Verb.ACKNOWLEDGE, Verb.RESOLVE, Verb.SILENCE, Verb.ESCALATE, Verb.REPLAY, Verb.TAKE_BACK
HOUR = timedelta(hours=1)


def one(verb: Verb, *codes: int, **more: object) -> tuple[Statement, ...]:
    return (Statement(verb, codes, **more),)  # type: ignore[arg-type]  # the fields of a test


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1a", one(A, 1)),
        ("1A", one(A, 1)),
        (" 1 a ", one(A, 1)),
        ('"1a"', one(A, 1)),
        ("«1a».", one(A, 1)),
        ("1a!", one(A, 1)),
        ("a1", one(A, 1)),
        ("a", one(A)),
        ("Ack", one(A)),
        ("ack 1", one(A, 1)),
        ("ACK #1", one(A, 1)),
        ("ack1", one(A, 1)),
        ("ack alert 12 please", one(A, 12)),
        ("ack 1 2", one(A, 1, 2)),
        ("1 2 a", one(A, 1, 2)),
        ("1a 2h", one(A, 1, duration=2 * HOUR)),
        ("1c", one(C, 1)),
        ("resolve", one(C)),
        ("Resolved.", one(C)),
        ("done 1", one(C, 1)),
        ("1s", one(S, 1)),
        ("1s 2h", one(S, 1, duration=2 * HOUR)),
        ("1s 90m", one(S, 1, duration=1.5 * HOUR)),
        ("silence 1 for 2 hours", one(S, 1, duration=2 * HOUR)),
        ("mute 2h 1", one(S, 1, duration=2 * HOUR)),
        ("2s 1d", one(S, 2, duration=24 * HOUR)),
        ("s 30 min", one(S, duration=HOUR / 2)),
        ("1e", one(E, 1)),
        ("next", one(E)),
        ("1r", one(R, 1)),
        ("1b", one(B, 1)),
        ("1t", one(Verb.TEST, 1)),
        ("1u", one(Verb.UNSILENCE, 1)),
        ("test 1", one(Verb.TEST, 1)),
        ("all", one(A, all=True)),
        ("ALL", one(A, all=True)),
        ("all c", one(C, all=True)),
        ("resolve all", one(C, all=True)),
        ("1a 2c", one(A, 1) + one(C, 2)),
        ("1a, 2c; 3s 2h", one(A, 1) + one(C, 2) + one(S, 3, duration=2 * HOUR)),
        ("a 1 c 2", one(A, 1) + one(C, 2)),
        ("１Ａ", one(A, 1)),  # noqa: RUF001 - wide letters, as some telephones write them
    ],
)
def test_commands(text: str, expected: tuple[Statement, ...]) -> None:
    assert read(text) == Asked(Kind.COMMANDS, expected)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("oncall", Kind.ONCALL),
        ("On-call?", Kind.ONCALL),
        ("help", Kind.HELP),
        ("Test", Kind.TEST),
        ("?", Kind.HELP),
        ("", Kind.UNKNOWN),
        ("   ", Kind.UNKNOWN),
        ("😀", Kind.UNKNOWN),
        ("ok", Kind.UNKNOWN),
        ("do not ack 1", Kind.UNKNOWN),
        ("1a 2", Kind.UNKNOWN),
        ("1x", Kind.UNKNOWN),
        ("1c 2h", Kind.UNKNOWN),
        ("2h", Kind.UNKNOWN),
        ("99999a", Kind.UNKNOWN),
        ("stop 118", Kind.UNKNOWN),
        ("stop all alerts", Kind.UNKNOWN),
        (" ".join(["1a"] * 21), Kind.UNKNOWN),
        ("start", Kind.START),
        *((word, Kind.STOP) for word in sorted(STOP)),
        (" Stop. ", Kind.STOP),
        ("stop all", Kind.STOP),
        ("Opt-out", Kind.STOP),
        ('"UNSUBSCRIBE"', Kind.STOP),
    ],
)
def test_the_rest(text: str, kind: Kind) -> None:
    assert read(text) == Asked(kind)


def test_a_number_alone_asks_how_it_stands() -> None:
    assert read("12 3") == Asked(Kind.STATUS, (Statement(None, (12, 3)),))


@given(st.text() | st.text(alphabet="0123456789acsehalmd ", max_size=40))
def test_every_text_is_read(text: str) -> None:
    asked = read(text)
    assert (asked.kind in (Kind.COMMANDS, Kind.STATUS)) == bool(asked.statements)
    for statement in asked.statements:
        assert all(0 <= code <= 9999 for code in statement.codes)
        assert statement.duration is None or statement.verb in (S, A)


@given(st.sampled_from(sorted(STOP)), st.sampled_from(["", " ", '"', "'", "."]))
def test_no_command_is_a_word_of_the_carriers(word: str, mark: str) -> None:
    assert read(mark + word.upper() + mark).kind is Kind.STOP
