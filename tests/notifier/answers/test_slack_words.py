"""What is typed after /alerts, and what Slack posts: tables, and what must hold for anything."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.answers.slack_asked import of_button, of_command, read_value
from notifier.answers.slack_words import Kind, Typed, read
from notifier.facts import Button, Verb

A, S = Verb.ACKNOWLEDGE, Verb.SILENCE
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Typed(Kind.HELP)),
        ("help", Typed(Kind.HELP)),
        ("Open", Typed(Kind.OPEN)),
        ("oncall", Typed(Kind.ONCALL)),
        ("ack 118", Typed(Kind.ANSWER, A, (118,))),
        ("ACK #118 for 2h", Typed(Kind.ANSWER, A, (118,), 2 * HOUR)),
        ("ack alert 118 119", Typed(Kind.ANSWER, A, (118, 119))),
        ("silence 118 90m", Typed(Kind.ANSWER, S, (118,), 1.5 * HOUR)),
        ("back 118", Typed(Kind.ANSWER, Verb.TAKE_BACK, (118,))),
        ("resolve 118", Typed(Kind.ANSWER, Verb.RESOLVE, (118,))),
        ("escalate 118", Typed(Kind.ANSWER, Verb.ESCALATE, (118,))),
        ("replay 118", Typed(Kind.ANSWER, Verb.REPLAY, (118,))),
        ("rehearse 118", Typed(Kind.ANSWER, Verb.REHEARSE, (118,))),
        ("test 118", Typed(Kind.ANSWER, Verb.TEST, (118,))),
        ("test", Typed(Kind.TEST)),
        ("unsilence 118", Typed(Kind.ANSWER, Verb.UNSILENCE, (118,))),
        ("undo 7", Typed(Kind.UNDO, number=7)),
        ("undo override #7", Typed(Kind.UNDO, number=7)),
        ("undo", Typed(wrong='Which override? Write its number: "undo 7".')),
        ("take payments", Typed(Kind.TAKE, name="payments")),
        ("take payments for 4h", Typed(Kind.TAKE, name="payments", duration=4 * HOUR)),
        ("digest", Typed(Kind.DIGEST)),
        ("digest daily", Typed(Kind.DIGEST, name="daily")),
    ],
)
def test_commands(text: str, expected: Typed) -> None:
    assert read(text) == expected


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("restart", "There is no such command."),
        ("ack", 'Which alert? Write its number: "acknowledge 118".'),
        ("ack it", 'Which alert? Write its number: "acknowledge 118".'),
        ("resolve 118 2h", 'Only numbers of alerts can follow: "resolve 118".'),
        ("ack 118 soon", "For how long? Not a duration: "),
        ("take", "Which rotation, and for how long? "),
        ("take payments 4", "For how long? The duration has no unit"),
    ],
)
def test_what_is_wrong_is_said(text: str, wrong: str) -> None:
    assert read(text).wrong.startswith(wrong)


@given(st.text())
def test_every_text_is_read(text: str) -> None:
    found = read(text)
    assert (found.kind is Kind.ANSWER) == (found.verb is not None) == bool(found.alerts)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def press(**changes: Any) -> dict[str, Any]:
    return {
        "type": "block_actions",
        "trigger_id": "13345224609.738474920.8088930838d88f008e0",
        "team": {"id": "T0123ABCD", "domain": "example"},
        "user": {"id": "U0123ABCD", "team_id": "T0123ABCD", "name": "ana"},
        "channel": {"id": "C0123ABCD", "name": "payments"},
        "response_url": "https://hooks.slack.com/actions/T0123ABCD/1/secret",
        "actions": [{"type": "button", "value": "118:acknowledge:", "action_ts": "1764244800.250000"}],
    } | changes


def test_a_press_is_read() -> None:
    asked = of_button(press())
    assert asked is not None
    assert (asked.team, asked.user, asked.channel, asked.value) == (
        "T0123ABCD",
        "U0123ABCD",
        "C0123ABCD",
        "118:acknowledge:",
    )
    assert asked.at == 1764244800.25


@given(st.sampled_from([*press(), "nothing"]), JSON)
def test_whatever_is_posted_is_read_or_none(name: str, value: object) -> None:
    asked = of_button(press(**{name: value}))
    assert asked is None or (asked.user.isalnum() and len(asked.key) <= 100)
    of_button(value)
    of_command(
        {"trigger_id": "1.2", "team_id": "T0123ABCD", "user_id": "U0123ABCD", "channel_id": "C0123ABCD", name: value}
    )


@given(
    st.lists(st.integers(1, 2**59), min_size=1, max_size=50, unique=True),
    st.sampled_from(Verb),
    st.sampled_from(["", "1h"]),
)
def test_a_button_comes_back_as_it_was_made(alerts: list[int], verb: Verb, lasting: str) -> None:
    value = Button("text", verb, tuple(alerts), lasting).value
    assert read_value(value) == (alerts, verb.value, lasting)
    assert len(value) <= 2000
