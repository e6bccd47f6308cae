from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from notifier.judge.durations import human, parse_duration


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5m", timedelta(minutes=5)),
        ("1h30m", timedelta(hours=1, minutes=30)),
        ("2d", timedelta(days=2)),
        ("90s", timedelta(seconds=90)),
        ("1d2h3m4s", timedelta(days=1, hours=2, minutes=3, seconds=4)),
        ("0s", timedelta(0)),
        (" 5m ", timedelta(minutes=5)),
        ("007m", timedelta(minutes=7)),
    ],
)
def test_parse_duration(text: str, expected: timedelta) -> None:
    assert parse_duration(text) == expected


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "is empty"),
        ("  ", "is empty"),
        ("5", "has no unit"),
        ("-5m", "cannot be negative"),
        ("5 minutes", "not a duration"),
        ("30m1h", "not a duration"),  # largest first
        ("1h1h", "not a duration"),
        ("1.5h", "not a duration"),
        ("5M", "not a duration"),  # a month elsewhere
        ("m", "not a duration"),
        ("\N{ARABIC-INDIC DIGIT FIVE}m", "not a duration"),
        ("9999999999d", "too long"),
        ("9" * 5000 + "s", "too long"),
    ],
)
def test_a_wrong_duration_is_explained_with_an_example(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint) as refused:
        parse_duration(text)
    assert 'such as "5m", "1h30m" or "2d"' in str(refused.value)


def test_the_complaint_does_not_repeat_what_was_given() -> None:
    with pytest.raises(ValueError, match="not a duration") as refused:
        parse_duration("xoxb-secret")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("duration", "expected"),
    [
        (timedelta(0), "0 s"),
        (timedelta(seconds=0.4), "0 s"),
        (timedelta(seconds=45), "45 s"),
        (timedelta(seconds=59.7), "1 min"),
        (timedelta(seconds=90), "1 min 30 s"),
        (timedelta(minutes=9, seconds=59.9), "10 min"),
        (timedelta(minutes=17, seconds=12), "17 min"),
        (timedelta(minutes=59, seconds=50), "1 h"),
        (timedelta(hours=2, minutes=5), "2 h 5 min"),
        (timedelta(hours=23, minutes=59, seconds=40), "1 day"),
        (timedelta(days=1, hours=4), "1 day 4 h"),
        (timedelta(days=3), "3 days"),
        (timedelta(days=3, minutes=10), "3 days"),
        (timedelta(seconds=-5), "0 s"),
    ],
)
def test_human(duration: timedelta, expected: str) -> None:
    assert human(duration) == expected


@settings(max_examples=25)
@given(st.timedeltas(timedelta(0), timedelta(days=400)))
def test_human_keeps_the_size_in_at_most_two_units(duration: timedelta) -> None:
    shown = human(duration)
    numbers, units = shown.split()[::2], shown.split()[1::2]
    assert len(units) <= 2
    letters = {"days": "d", "day": "d", "h": "h", "min": "m", "s": "s"}
    meant = parse_duration("".join(n + letters[unit] for n, unit in zip(numbers, units, strict=True)))
    assert abs(meant - duration) <= max(duration / 40, timedelta(seconds=0.5))
